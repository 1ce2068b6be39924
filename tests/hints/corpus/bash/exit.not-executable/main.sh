echo hi > x
./x
