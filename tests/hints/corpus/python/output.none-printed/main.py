def hello():
    print("hi")
print(hello())
