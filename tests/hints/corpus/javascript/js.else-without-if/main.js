let n = 3;
if (n > 2)
  console.log(1);
  console.log(2);
else
  console.log(3);
