const a = 3n;
console.log(a + 1);
