// How many primes are there below 200000, and what do they add up to?
import java.util.BitSet;

public class Main {
    public static void main(String[] args) {
        final int limit = 200000;
        BitSet composite = new BitSet(limit);
        long count = 0, sum = 0;
        for (int i = composite.nextClearBit(2); i < limit; i = composite.nextClearBit(i + 1)) {
            count++;
            sum += i;
            for (long k = (long) i * i; k < limit; k += i)
                composite.set((int) k);
        }
        System.out.println(count + " " + sum);
    }
}
