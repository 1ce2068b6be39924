import maths
print(maths.sqrt(2))
