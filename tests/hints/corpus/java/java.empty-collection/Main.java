import java.util.*;

public class Main {
    public static void main(String[] args) {
        Deque<Integer> q = new ArrayDeque<>();
        System.out.println(q.pop());
    }
}
