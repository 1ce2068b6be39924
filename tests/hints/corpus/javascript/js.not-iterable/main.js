const n = 3;
for (const x of n) console.log(x);
