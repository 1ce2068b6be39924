public class Main {
    public static void main(String[] args) {
        int n = 3;
        if (n > 2);
            System.out.println(1);
        else
            System.out.println(2);
    }
}
