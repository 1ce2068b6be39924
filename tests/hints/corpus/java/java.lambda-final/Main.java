public class Main {
    public static void main(String[] args) {
        int n = 3;
        n++;
        Runnable r = () -> System.out.println(n);
        r.run();
    }
}
