public class Main {
    public static void main(String[] args) {
        System.out.println(new P());
    }
}

class P implements Comparable<P> {
}
