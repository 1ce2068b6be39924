items = [1, 2, 3]
for i in range(len(items) + 1):
    print(items[i])
