public class Main {
    public static void main(String[] args) {
        int[] a = new int[3];
        int i = -1;
        a[i] = 3;
    }
}
