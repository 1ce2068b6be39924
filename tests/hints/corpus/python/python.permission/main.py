f = open("/etc/data.txt", "w")
