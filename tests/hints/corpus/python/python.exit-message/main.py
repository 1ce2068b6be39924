import sys
sys.exit("wrong input")
