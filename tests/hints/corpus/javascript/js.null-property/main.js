const a = "abc".match(/x/);
console.log(a[0]);
