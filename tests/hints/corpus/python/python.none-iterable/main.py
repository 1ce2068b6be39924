items = [2, 1].sort()
for i in items:
    print(i)
