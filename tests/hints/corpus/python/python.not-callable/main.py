print = 3
print("x")
