public class Main {
    public static void main(String[] args) {
        List<Integer> l = null;
    }
}
