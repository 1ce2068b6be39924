function f() {
  return await 3;
}
console.log(f());
