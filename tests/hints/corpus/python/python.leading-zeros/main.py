x = 007
print(x)
