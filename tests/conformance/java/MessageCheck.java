import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;

/**
 * Reads what bin/wire_samples prints with Kafka's own message classes and writes it again: every byte has to be
 * consumed, and the same bytes have to come out.
 *
 * <pre>bin/wire_samples | java -cp kafka-clients.jar:kafka-metadata.jar:slf4j-api.jar MessageCheck.java</pre>
 */
public final class MessageCheck {
    private static final Map<String, Constructor<?>> CONSTRUCTORS = new HashMap<>();

    private static Constructor<?> find(String name) throws ReflectiveOperationException {
        boolean protocol = name.endsWith("Request") || name.endsWith("Response");
        String[] candidates = protocol
            ? new String[] {"org.apache.kafka.common.message." + name + "Data"}
            : new String[] {"org.apache.kafka.common.metadata." + name, "org.apache.kafka.common.message." + name};
        for (String candidate : candidates) {
            try {
                return Class.forName(candidate).getConstructor(Readable.class, short.class);
            } catch (ClassNotFoundException absent) {
                // The next package may have it.
            }
        }
        throw new ClassNotFoundException(name);
    }

    /** Null if all is well, else what is wrong. */
    private static String check(String name, short version, byte[] bytes) throws ReflectiveOperationException {
        Constructor<?> constructor = CONSTRUCTORS.get(name);
        if (constructor == null) {
            constructor = find(name);
            CONSTRUCTORS.put(name, constructor);
        }
        ByteBuffer input = ByteBuffer.wrap(bytes);
        Message message = (Message) constructor.newInstance(new ByteBufferAccessor(input), version);
        if (input.hasRemaining()) {
            return input.remaining() + " bytes are left over";
        }
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer output = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(output), cache, version);
        if (!Arrays.equals(output.array(), bytes)) {
            return "comes back as " + HexFormat.of().formatHex(output.array()) + " from " + message;
        }
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        int count = 0;
        int failed = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            String[] words = line.split(" ", -1);
            String problem;
            try {
                problem = check(words[0], Short.parseShort(words[1]), HexFormat.of().parseHex(words[2]));
            } catch (ReflectiveOperationException | RuntimeException error) {
                problem = "is refused: " + (error.getCause() != null ? error.getCause() : error);
            }
            count++;
            if (problem != null) {
                failed++;
                if (failed <= 20) {
                    System.out.println(line + "\n    " + problem);
                }
            }
        }
        System.out.println(count + " messages, " + failed + " wrong");
        System.exit(failed > 0 || count == 0 ? 1 : 0);
    }
}
