public class Main {
    public static void main(String[] args) {
        int n = 3;
        n + 1;
        System.out.println(n);
    }
}
