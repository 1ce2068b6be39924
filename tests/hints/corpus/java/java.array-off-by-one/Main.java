public class Main {
    public static void main(String[] args) {
        int[] a = new int[3];
        for (int i = 0; i <= a.length; i++)
            a[i] = i;
    }
}
