public class Main {
    public static void main(String[] args) {
        string s = "a";
        System.out.println(s);
    }
}
