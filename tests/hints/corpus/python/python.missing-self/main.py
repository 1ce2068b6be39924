class A:
    def hello():
        print("hi")
A().hello()
