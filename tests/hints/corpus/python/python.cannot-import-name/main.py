from math import sqroot
print(sqroot(4))
