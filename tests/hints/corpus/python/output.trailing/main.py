import sys
sys.stdout.write('1 \n2\n')
