ages = {"Ann": 3}
print(ages["Bob"])
