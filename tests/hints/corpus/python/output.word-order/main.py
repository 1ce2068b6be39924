import sys
sys.stdout.write('3 1 2\n')
