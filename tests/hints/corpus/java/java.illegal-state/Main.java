import java.util.*;

public class Main {
    public static void main(String[] args) {
        Iterator<Integer> i = new ArrayList<>(List.of(1)).iterator();
        i.remove();
    }
}
