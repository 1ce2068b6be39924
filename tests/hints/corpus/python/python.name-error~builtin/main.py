x = imput()
print(x)
