import sys
sys.stdout.write('-2147483648\n')
