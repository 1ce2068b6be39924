import sys
sys.stdout.write('Helo World\n')
