const n;
