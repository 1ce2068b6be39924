const n = prompt("n?");
console.log(n);
