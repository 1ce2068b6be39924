import sys
sys.stdout.write('yes\nNO\n')
