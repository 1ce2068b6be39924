class A {}
class B extends A {
  constructor() {
    this.n = 1;
  }
}
new B();
