public class Main {
    public static void main(String[] args) {
        int[] a = new int[3];
        int i = 7;
        a[i] = 3;
    }
}
