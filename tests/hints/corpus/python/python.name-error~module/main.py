x = 4
print(math.sqrt(x))
