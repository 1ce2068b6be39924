import java.util.*;

public class Main {
    public static void main(String[] args) {
        List<Integer> l = List.of(1, 2);
        l.add(3);
    }
}
