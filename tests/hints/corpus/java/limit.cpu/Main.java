public class Main {
    public static void main(String[] args) {
        long n = 0;
        for (long i = 0; i < 100000000000L; i++)
            n += i % 7;
        System.out.println(n);
    }
}
