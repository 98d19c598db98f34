#!/usr/bin/env python3
"""An idempotent producer for the drills: writes `PRODUCER SEQUENCE` round robin to all partitions until its input ends,
then flushes. Every acknowledgement becomes a line `PARTITION OFFSET SEQUENCE` in a file.

    load_librdkafka.py produce BOOTSTRAP TOPIC PARTITIONS RATE NAME FILE
    load_librdkafka.py read BOOTSTRAP TOPIC PARTITIONS      prints `PARTITION OFFSET VALUE` of all records
"""
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

DELIVERY_SECONDS = 180
TURN_SECONDS = 0.02


def produce(bootstrap, topic, partitions, rate, name, path):
    producer = Producer({'bootstrap.servers': bootstrap, 'enable.idempotence': True, 'linger.ms': 5,
                         'delivery.timeout.ms': DELIVERY_SECONDS * 1000, 'request.timeout.ms': 10000,
                         'reconnect.backoff.max.ms': 500, 'topic.metadata.refresh.interval.ms': 1000})
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    failures = []
    sequence = 0
    with open(path, 'w', encoding='utf-8') as acks:
        def delivered(error, message):
            if error is not None:
                failures.append(str(error))
            else:
                acks.write(f'{message.partition()} {message.offset()} {message.value().split()[1].decode()}\n')

        while not stop.is_set():
            for _ in range(max(1, int(rate * TURN_SECONDS))):
                try:
                    producer.produce(topic, value=f'{name} {sequence}'.encode(), partition=sequence % partitions,
                                     on_delivery=delivered)
                    sequence += 1
                except BufferError:
                    break
            producer.poll(0)
            time.sleep(TURN_SECONDS)
        left = producer.flush(DELIVERY_SECONDS)
    print(f'{sequence} sent, {len(failures)} failed, {left} left {failures[:3]}')
    sys.exit(1 if failures or left else 0)


def read(bootstrap, topic, partitions):
    consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'unused', 'enable.auto.commit': False,
                         'check.crcs': True})
    ends = {}
    for partition in range(partitions):
        _, ends[partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
    left = sum(ends.values())
    while left > 0:
        messages = consumer.consume(num_messages=min(1000, left), timeout=30)
        if not messages:
            sys.exit(f'{left} records did not come within 30 s')
        for message in messages:
            if message.error():
                sys.exit(str(message.error()))
            print(message.partition(), message.offset(), message.value().decode())
        left -= len(messages)
    consumer.close()


def main():
    command, bootstrap, topic, partitions, *rest = sys.argv[1:]
    if command == 'produce':
        produce(bootstrap, topic, int(partitions), int(rest[0]), rest[1], rest[2])
    else:
        read(bootstrap, topic, int(partitions))


if __name__ == '__main__':
    main()
