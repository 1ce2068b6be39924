public class Main {
    public static void main(String[] args) {
        final int n = 3;
        n = 4;
        System.out.println(n);
    }
}
