public class Main {
    public static void main(String[] args) {
        int n;
        System.out.println(n);
    }
}
