public class Main {
    static int f(int n) {
        return n * f(n - 1);
    }

    public static void main(String[] args) {
        System.out.println(f(3));
    }
}
