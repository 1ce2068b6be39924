import java.util.*;

public class Main {
    public static void main(String[] args) {
        List<Integer> l = new ArrayList<>();
        System.out.println(l.get(0));
    }
}
