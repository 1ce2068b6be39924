public class Main {
    public static void main(String[] args) {
        int a = 0;
        System.out.println(3 / a);
    }
}
