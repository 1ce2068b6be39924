import sys
sys.stdout.write('b\na\nc\n')
