public class Main {
    System.out.println("hi");
    public static void main(String[] args) {
    }
}
