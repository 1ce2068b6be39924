if (1) {
  console.log(1);
}}
