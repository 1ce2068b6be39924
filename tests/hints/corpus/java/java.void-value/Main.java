public class Main {
    static void f() {
    }

    public static void main(String[] args) {
        int n = f();
        System.out.println(n);
    }
}
