public class Main {
    public static void main(String[] args) {
        int n = 3;
        public int m = 4;
        System.out.println(n);
    }
}
