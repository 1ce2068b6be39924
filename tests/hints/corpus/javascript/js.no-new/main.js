class A {}
const a = A();
