import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes and reads with Kafka's Java client. clients/records.py describes the data and the digests.
 *
 * <pre>
 * RoundTrip produce BOOTSTRAP FILE CODEC=TOPIC...
 * RoundTrip consume BOOTSTRAP TOPIC...
 * </pre>
 */
public final class RoundTrip {
    private static final int PARTITIONS = 3;
    private static final int FILE_BUFFER = 1 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** Of one partition. */
    private static final class Digest {
        private final MessageDigest content = MessageDigest.getInstance("SHA-256");
        private final MessageDigest times = MessageDigest.getInstance("SHA-256");
        private long count;

        Digest() throws Exception {
        }

        void add(ConsumerRecord<byte[], byte[]> record) {
            text(content, record.offset() + " " + size(record.key()) + " " + size(record.value()) + " ");
            boolean first = true;
            for (Header header : record.headers()) {
                text(content, (first ? "" : ",") + header.key() + "=");
                content.update(header.value() == null ? "NULL".getBytes(StandardCharsets.UTF_8) : header.value());
                first = false;
            }
            text(content, "\n");
            content.update(record.key() == null ? new byte[0] : record.key());
            content.update(record.value() == null ? new byte[0] : record.value());
            text(times, record.timestamp() + "\n");
            count++;
        }

        private static int size(byte[] data) {
            return data == null ? -1 : data.length;
        }

        private static void text(MessageDigest digest, String text) {
            digest.update(text.getBytes(StandardCharsets.UTF_8));
        }

        String line() {
            HexFormat hex = HexFormat.of();
            return count + " " + hex.formatHex(content.digest()) + " " + hex.formatHex(times.digest());
        }
    }

    private static byte[] blob(DataInputStream input) throws IOException {
        int size = input.readInt();
        return size < 0 ? null : input.readNBytes(size);
    }

    /** The next record of a data set; null at its end. */
    private static ProducerRecord<byte[], byte[]> next(DataInputStream input, String topic) throws IOException {
        int partition;
        try {
            partition = input.readInt();
        } catch (EOFException end) {
            return null;
        }
        long timestamp = input.readLong();
        byte[] key = blob(input);
        byte[] value = blob(input);
        int count = input.readInt();
        List<Header> headers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String name = new String(blob(input), StandardCharsets.UTF_8);
            headers.add(new RecordHeader(name, blob(input)));
        }
        return new ProducerRecord<>(topic, partition, timestamp, key, value, headers);
    }

    private static void produce(String bootstrap, String file, String codec, String topic) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("compression.type", codec);
        properties.put("acks", "all");
        properties.put("enable.idempotence", "true");
        properties.put("linger.ms", "20");
        properties.put("batch.size", "65536");
        properties.put("delivery.timeout.ms", "60000");
        properties.put("max.request.size", "2000000");
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (DataInputStream input =
                 new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(file)), FILE_BUFFER));
             KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (ProducerRecord<byte[], byte[]> record = next(input, topic); record != null;
                 record = next(input, topic)) {
                producer.send(record, (metadata, error) -> {
                    if (error != null) {
                        failure.compareAndSet(null, error);
                    }
                });
            }
            producer.flush();
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static void consume(String bootstrap, String topic) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.auto.commit", "false");
        properties.put("check.crcs", "true");
        properties.put("max.poll.records", "5000");
        properties.put("fetch.max.wait.ms", "50");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<Integer, Digest> digests = new TreeMap<>();
            List<TopicPartition> partitions = new ArrayList<>();
            for (int i = 0; i < PARTITIONS; i++) {
                partitions.add(new TopicPartition(topic, i));
                digests.put(i, new Digest());
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long left = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
            while (left > 0) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(PATIENCE);
                if (records.isEmpty()) {
                    throw new IOException(topic + ": " + left + " records did not come within " + PATIENCE);
                }
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    digests.get(record.partition()).add(record);
                }
                left -= records.count();
            }
            digests.forEach((partition, digest) -> System.out.println(topic + " " + partition + " " + digest.line()));
        }
    }

    private static void version() throws IOException {
        Properties properties = new Properties();
        try (InputStream input = RoundTrip.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(input);
        }
        System.out.println("kafka-clients " + properties.get("version"));
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "version" -> version();
            case "produce" -> {
                for (String word : Arrays.copyOfRange(arguments, 3, arguments.length)) {
                    String[] parts = word.split("=", 2);
                    produce(arguments[1], arguments[2], parts[0], parts[1]);
                }
            }
            default -> {
                for (String topic : Arrays.copyOfRange(arguments, 2, arguments.length)) {
                    consume(arguments[1], topic);
                }
            }
        }
    }

    private RoundTrip() {
    }
}
