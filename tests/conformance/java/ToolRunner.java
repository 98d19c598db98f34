import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other in one process, which saves the start of a JVM for each. A line of the
 * input is a class and its arguments, separated by tabs; the answer is `CODE BYTES` and so many bytes of what the tool
 * printed.
 */
public final class ToolRunner {
    private static volatile CompletableFuture<Integer> ended = new CompletableFuture<>();

    /** Where a tool would end the process: its thread stays here for ever, for some catch all that could be thrown. */
    private static void end(int code, String message) {
        if (message != null) {
            System.err.println(message);
        }
        ended.complete(code);
        while (true) {
            LockSupport.park();
        }
    }

    private static void run(String[] words) {
        try {
            Class.forName(words[0]).getMethod("main", String[].class)
                .invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            ended.complete(0);
        } catch (InvocationTargetException error) {
            error.getCause().printStackTrace();
            ended.complete(1);
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
            ended.complete(1);
        }
    }

    /** Tools written in Scala print by way of Console, which remembers the first System.out. */
    private static void runWithConsole(String[] words, PrintStream capture) {
        scala.Console.withOut(capture, () -> scala.Console.withErr(capture, () -> {
            run(words);
            return null;
        }));
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        Exit.setExitProcedure(ToolRunner::end);
        Exit.setHaltProcedure(ToolRunner::end);
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            PrintStream capture = new PrintStream(output, true, StandardCharsets.UTF_8);
            String[] words = line.split("\t", -1);
            System.setOut(capture);
            System.setErr(capture);
            ended = new CompletableFuture<>();
            Thread thread = new Thread(() -> runWithConsole(words, capture), words[0]);
            thread.setDaemon(true);
            thread.start();
            int code = ended.get();
            capture.flush();
            byte[] printed = output.toByteArray();
            answers.println(code + " " + printed.length);
            answers.write(printed);
            answers.flush();
        }
        System.exit(0);
    }

    private ToolRunner() {
    }
}
