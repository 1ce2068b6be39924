while True:
    print("hello")
