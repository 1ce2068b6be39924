"""Prints without end: stopped at the output limit."""

while True:
    print("and on and on")
