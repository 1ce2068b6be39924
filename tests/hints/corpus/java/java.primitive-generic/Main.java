import java.util.*;

public class Main {
    public static void main(String[] args) {
        List<int> l = new ArrayList<>();
        System.out.println(l);
    }
}
