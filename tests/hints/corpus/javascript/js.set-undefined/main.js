const a = {};
a.b.c = 3;
