public class Main {
    public static void main(String[] args) {
        String s = 3;
        System.out.println(s);
    }
}
