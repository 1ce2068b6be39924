public class Main {
    public static void main(String[] args) {
        System.out.println(new P(1));
    }
}

class P {
    P(int a, int b) {
    }
}
