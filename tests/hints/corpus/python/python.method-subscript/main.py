items = [1]
items.append[2]
