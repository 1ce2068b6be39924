// How many primes are there below 200000, and what do they add up to?
const limit = 200000;
const composite = new Uint8Array(limit);
let count = 0, sum = 0;
for (let i = 2; i < limit; i++) {
    if (composite[i]) continue;
    count++;
    sum += i;
    for (let k = i * i; k < limit; k += i) composite[k] = 1;
}
console.log(count, sum);
