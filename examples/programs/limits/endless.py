"""Never ends: stopped at the CPU time limit."""

n = 0
while True:
    n += 1
