import time
while True:
    end = time.time() + 0.01
    while time.time() < end:
        pass
    time.sleep(0.001)
