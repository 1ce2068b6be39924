import java.net.*;

public class Main {
    public static void main(String[] args) throws Exception {
        new URL("http://example.com").openStream();
    }
}
