public class Main {
    static int f(int n) {
        return n;
    }

    public static void main(String[] args) {
        System.out.println(f("a"));
    }
}
