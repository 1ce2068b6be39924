items = [3, 1, 2]
items = items.sort()
items.append(4)
