def area(width):
    return width
print(area(widht=3))
