def f(n):
    return n * f(n - 1)
print(f(3))
