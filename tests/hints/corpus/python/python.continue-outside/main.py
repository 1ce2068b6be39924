x = 3
if x:
    continue
