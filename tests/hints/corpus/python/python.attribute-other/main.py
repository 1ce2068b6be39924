class Dog:
    def __init__(self):
        self.name = "Rex"
d = Dog()
print(d.nmae)
