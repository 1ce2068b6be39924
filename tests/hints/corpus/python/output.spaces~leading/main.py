import sys
sys.stdout.write(' 1 2\n')
