public class Main {
    public static void main(String[] args) {
        long n = 3000000000;
        System.out.println(n);
    }
}
