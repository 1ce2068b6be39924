import sys
sys.stdout.write('1\n7\n8\n')
