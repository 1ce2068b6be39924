a = 0
print(3 / a)
