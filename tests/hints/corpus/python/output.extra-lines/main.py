import sys
sys.stdout.write('start\n1\ndebug\n2\n')
