s = "a,b"
print(s.spilt(","))
