n = 0
for i in range(10 ** 10):
    n += i
print(n)
