import sys
sys.stdout.write('The sum is 8\n')
