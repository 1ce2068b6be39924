import sys
sys.stdout.write('2\n')
