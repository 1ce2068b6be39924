let n = 3;
let n = 4;
