function f(n) {
  return n * f(n - 1);
}
console.log(f(3));
