import sys
sys.stdout.write('10\n')
