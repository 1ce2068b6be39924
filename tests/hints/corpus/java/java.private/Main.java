public class Main {
    public static void main(String[] args) {
        System.out.println(new P().n);
    }
}

class P {
    private int n = 1;
}
