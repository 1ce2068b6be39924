// Counts the words of standard input: most frequent first, then by alphabet.
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;

public class Main {
    public static void main(String[] args) {
        Map<String, Integer> counts = new TreeMap<>();
        Scanner in = new Scanner(System.in);
        while (in.hasNext())
            counts.merge(in.next().toLowerCase(), 1, Integer::sum);
        counts.entrySet().stream()
            .sorted((a, b) -> b.getValue() - a.getValue())
            .forEach(e -> System.out.println(e.getKey() + " " + e.getValue()));
    }
}
