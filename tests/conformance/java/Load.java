import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * An idempotent producer for the drills: writes `PRODUCER SEQUENCE` round robin to all partitions until its input ends, then
 * flushes. Every acknowledgement becomes a line `PARTITION OFFSET SEQUENCE` in a file.
 *
 * <pre>Load BOOTSTRAP TOPIC PARTITIONS RATE NAME FILE</pre>
 */
public final class Load {
    private static final long TURN_MS = 20;
    private static volatile boolean inputEnded;

    private static void watchInput() {
        try {
            while (System.in.read() >= 0) {
                continue;
            }
        } catch (IOException broken) {
            System.err.println(broken);
        }
        inputEnded = true;
    }

    public static void main(String[] arguments) throws Exception {
        Thread watcher = new Thread(Load::watchInput, "input");
        watcher.setDaemon(true);
        watcher.start();
        String topic = arguments[1];
        int partitions = Integer.parseInt(arguments[2]);
        long perTurn = Math.max(1, Long.parseLong(arguments[3]) * TURN_MS / 1000);
        String name = arguments[4];
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("enable.idempotence", "true");
        properties.put("linger.ms", "5");
        properties.put("delivery.timeout.ms", "180000");
        properties.put("request.timeout.ms", "10000");
        properties.put("max.block.ms", "120000");
        properties.put("metadata.max.age.ms", "1000");
        properties.put("reconnect.backoff.max.ms", "500");
        AtomicLong failed = new AtomicLong();
        AtomicReference<Exception> failure = new AtomicReference<>();
        long sequence = 0;
        try (BufferedWriter acks = Files.newBufferedWriter(Path.of(arguments[5]), StandardCharsets.UTF_8)) {
            try (KafkaProducer<byte[], byte[]> producer =
                     new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
                while (!inputEnded) {
                    for (long i = 0; i < perTurn; i++) {
                        long own = sequence++;
                        byte[] value = (name + " " + own).getBytes(StandardCharsets.UTF_8);
                        producer.send(new ProducerRecord<>(topic, (int) (own % partitions), null, value), (data, error) -> {
                            if (error != null) {
                                failed.incrementAndGet();
                                failure.compareAndSet(null, error);
                                return;
                            }
                            try {
                                acks.write(data.partition() + " " + data.offset() + " " + own + "\n");
                            } catch (IOException broken) {
                                failure.compareAndSet(null, broken);
                            }
                        });
                    }
                    Thread.sleep(TURN_MS);
                }
                producer.flush();
            }
        }
        System.out.println(sequence + " sent, " + failed + " failed " + failure.get());
        System.exit(failure.get() == null ? 0 : 1);
    }

    private Load() {
    }
}
