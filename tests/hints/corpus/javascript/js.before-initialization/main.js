console.log(n);
const n = 3;
