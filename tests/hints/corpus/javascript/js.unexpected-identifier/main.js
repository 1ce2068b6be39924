let n = 3 console.log(n);
