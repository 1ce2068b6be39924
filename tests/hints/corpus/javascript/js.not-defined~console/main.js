Console.log("hi");
