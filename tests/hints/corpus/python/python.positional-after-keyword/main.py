print(sep=" ", 3)
