import java.util.*;

public class Main {
    public static void main(String[] args) {
        Stack<Integer> q = new Stack<>();
        System.out.println(q.pop());
    }
}
