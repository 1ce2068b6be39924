print(sqrt(4))
