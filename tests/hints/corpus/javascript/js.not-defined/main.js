const total = 1;
console.log(totl);
