import sys
sys.stdout.write('123\n')
