console.log(BigInt("abc"));
