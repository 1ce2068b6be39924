const a = [{ n: 1 }];
console.log(a[3].n);
