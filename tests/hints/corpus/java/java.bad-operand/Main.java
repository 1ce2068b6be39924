public class Main {
    public static void main(String[] args) {
        String s = "a";
        System.out.println(s - "b");
    }
}
