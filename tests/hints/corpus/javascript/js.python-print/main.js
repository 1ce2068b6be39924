print("hi");
