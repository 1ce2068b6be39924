public class Main {
    static int n = Integer.parseInt("x");
    public static void main(String[] args) {
        System.out.println(n);
    }
}
