import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other in one process, which saves the start of a JVM for each. A line of the
 * input is a class and its arguments, separated by tabs; the answer is `CODE BYTES` and so many bytes of what the tool
 * printed.
 */
public final class ToolRunner {
    /** Thrown where a tool would end the process. */
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int code;

        Ended(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    private static int run(String[] words) throws ReflectiveOperationException {
        try {
            Class.forName(words[0]).getMethod("main", String[].class)
                .invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            return 0;
        } catch (InvocationTargetException error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (cause instanceof Ended ended) {
                    return ended.code;
                }
            }
            error.getCause().printStackTrace();
            return 1;
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        Exit.Procedure end = (code, message) -> {
            if (message != null) {
                System.err.println(message);
            }
            throw new Ended(code);
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            PrintStream capture = new PrintStream(output, true, StandardCharsets.UTF_8);
            System.setOut(capture);
            System.setErr(capture);
            int code = scalaConsole(line.split("\t", -1), capture);
            capture.flush();
            answers.println(code + " " + output.size());
            output.writeTo(answers);
            answers.flush();
        }
    }

    /** Tools written in Scala print by way of Console, which remembers the first System.out. */
    private static int scalaConsole(String[] words, PrintStream capture) throws ReflectiveOperationException {
        int[] code = {1};
        scala.Console.withOut(capture, () -> scala.Console.withErr(capture, () -> {
            try {
                code[0] = run(words);
            } catch (ReflectiveOperationException error) {
                error.printStackTrace();
            }
            return null;
        }));
        return code[0];
    }

    private ToolRunner() {
    }
}
