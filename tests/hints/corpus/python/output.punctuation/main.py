import sys
sys.stdout.write('Hello World\n')
