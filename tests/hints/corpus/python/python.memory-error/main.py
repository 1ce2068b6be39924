x = bytearray(10 ** 13)
