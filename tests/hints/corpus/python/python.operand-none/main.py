def f():
    print("hi")
x = f() + 1
