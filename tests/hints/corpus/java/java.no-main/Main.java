public class Main {
    public static void run(String[] args) {
        System.out.println("hi");
    }
}
