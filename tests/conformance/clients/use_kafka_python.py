#!/usr/bin/env python3
"""Writes and reads with kafka-python. See records.py for the data.

    use_kafka_python.py produce BOOTSTRAP FILE CODEC=TOPIC...
    use_kafka_python.py consume BOOTSTRAP TOPIC...
"""
import sys

import kafka
import records
from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def produce(bootstrap, path, codec, topic):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap.split(','), acks='all', enable_idempotence=True, linger_ms=20,
        compression_type=None if codec == 'none' else codec, max_request_size=2000000,
        batch_size=65536, delivery_timeout_ms=60000, request_timeout_ms=20000)
    failures = []
    for partition, timestamp, key, value, headers in records.view('kafka-python', records.read(path)):
        sent = producer.send(topic, value=value, key=key, partition=partition, timestamp_ms=timestamp,
                             headers=list(headers))
        sent.add_errback(failures.append)
    producer.flush(120)
    producer.close()
    if failures:
        sys.exit(f'{topic}: not all were delivered: {failures[:3]}')


def consume(bootstrap, topic):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(','), enable_auto_commit=False, check_crcs=True,
                             auto_offset_reset='earliest', max_partition_fetch_bytes=2000000, max_poll_records=2000,
                             fetch_max_wait_ms=50)
    partitions = [TopicPartition(topic, partition) for partition in range(records.PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    left = sum(ends.values())
    digests = {(topic, partition.partition): records.Digest() for partition in partitions}
    while left > 0:
        polled = consumer.poll(timeout_ms=30000)
        if not polled:
            sys.exit(f'{topic}: {left} records did not come within 30 s')
        for partition, messages in polled.items():
            digest = digests[topic, partition.partition]
            for message in messages:
                digest.add(message.offset, message.timestamp, message.key, message.value, message.headers)
            left -= len(messages)
    consumer.close()
    records.print_digests(digests)


def main():
    command = sys.argv[1]
    if command == 'version':
        print(f'kafka-python {kafka.__version__}')
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
