n = input()
print(1 + n)
