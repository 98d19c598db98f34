#!/usr/bin/env python3
"""Writes and reads with confluent-kafka, that is librdkafka. See records.py for the data.

    use_librdkafka.py produce BOOTSTRAP FILE CODEC=TOPIC...
    use_librdkafka.py consume BOOTSTRAP TOPIC...
"""
import sys

import confluent_kafka
import records
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition


def produce(bootstrap, path, codec, topic):
    producer = Producer({
        'bootstrap.servers': bootstrap, 'compression.type': codec, 'enable.idempotence': True, 'linger.ms': 20,
        'message.max.bytes': 1000000, 'queue.buffering.max.kbytes': 65536, 'delivery.timeout.ms': 60000,
    })
    failures = []

    def delivered(error, message):
        if error is not None:
            failures.append(f'{message.partition()}: {error}')

    for partition, timestamp, key, value, headers in records.read(path):
        while True:
            try:
                producer.produce(topic, value=value, key=key, partition=partition, timestamp=timestamp,
                                 headers=headers, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.5)
        producer.poll(0)
    if producer.flush(120) != 0 or failures:
        sys.exit(f'{topic}: not all were delivered: {failures[:3]}')


def consume(bootstrap, topic):
    consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'unused', 'enable.auto.commit': False,
                         'check.crcs': True, 'fetch.message.max.bytes': 2000000, 'queued.max.messages.kbytes': 65536})
    ends = {}
    for partition in range(records.PARTITIONS):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
        if low != 0:
            sys.exit(f'{topic} {partition} begins at {low}')
        ends[partition] = high
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
    digests = {(topic, partition): records.Digest() for partition in ends}
    left = sum(ends.values())
    while left > 0:
        messages = consumer.consume(num_messages=min(1000, left), timeout=30)
        if not messages:
            sys.exit(f'{topic}: {left} records did not come within 30 s')
        for message in messages:
            if message.error():
                sys.exit(f'{topic}: {message.error()}')
            digests[topic, message.partition()].add(message.offset(), message.timestamp()[1], message.key(),
                                                    message.value(), message.headers() or ())
        left -= len(messages)
    consumer.close()
    records.print_digests(digests)


def main():
    command = sys.argv[1]
    if command == 'version':
        print(f'confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}')
        return
    bootstrap, *rest = sys.argv[2:]
    if command == 'produce':
        for word in rest[1:]:
            produce(bootstrap, rest[0], *word.split('=', 1))
    else:
        for topic in rest:
            consume(bootstrap, topic)


if __name__ == '__main__':
    main()
