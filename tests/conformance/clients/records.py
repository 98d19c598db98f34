"""The data set that every client writes, and the digest of what every client reads. Written the same way in each
client's language; this is the description.

A data set file is a row of records, all numbers big-endian:

    partition i32   timestamp i64   key   value   headers i32, each: name, value
    key, value, name: length i32 (-1: null), bytes

A digest line is one per partition, with what was read from offset 0 to the end:

    TOPIC PARTITION COUNT CONTENT TIMES

CONTENT is the SHA-256 over, for each record in the order read, the line `OFFSET KEYSIZE VALUESIZE HEADERS\\n`, the key
and the value; sizes of null are -1, HEADERS is name=value joined by commas, a null value is written NULL. TIMES is the
SHA-256 over the timestamps, a line each.
"""
import hashlib
import random
import struct

PARTITIONS = 3
# All timestamps are near this one: long ago, so that nobody's clock comes in by mistake.
BASE_TIME_MS = 1_760_000_000_000
POOL_SIZE = 1 << 20
# No zero byte in their values: kcat would print what is before it.
HEADERS = (
    (),
    (('plain', b'one'),),
    (('twice', b'first'), ('twice', b'second')),
    (('empty', b''), ('null', None)),
    (('имя', b'\xff\xfe\x01'), ('z', b'z' * 40)),
)


def generate(count, size, seed):
    """Yields (partition, timestamp, key, value, headers): nulls and empties among values of `size` bytes, of which a
    third is noise, a third repeats, a third is text."""
    source = random.Random(seed)
    noise = source.randbytes(POOL_SIZE)
    words = ' '.join(source.choice(('stream', 'record', 'batch', 'quorum', 'leader')) for _ in range(POOL_SIZE // 5))
    pools = (noise, noise[:97] * (POOL_SIZE // 97 + 1), words.encode())
    for i in range(count):
        kind = i % 10
        key = None if kind == 0 else b'' if kind == 1 else b'key-%d' % (i % 1000) if kind < 8 else noise[i % 999:][:9]
        if i % 17 == 3:
            value = None
        elif i % 19 == 4:
            value = b''
        else:
            start = b'%d:' % i
            at = i * 31 % max(1, POOL_SIZE - size)
            value = start + pools[i // 3 % 3][at:at + size - len(start)]
        yield i % PARTITIONS, BASE_TIME_MS + i * 7 - i % 5, key, value, HEADERS[i % len(HEADERS)]


# What kcat puts on every record: it has headers for a whole run only.
KCAT_HEADERS = (('colour', b'blue'), ('empty', b''), ('size', b'9'))


def view(client, source):
    """The records as this client can write them. kcat: the same headers on all, null for what is empty, and the time of
    writing (the one here stays; do not compare TIMES). kafka-python refuses headers that are null, and null for
    both key and value."""
    for partition, timestamp, key, value, headers in source:
        if client == 'kcat':
            key, value, headers = key or None, value or None, KCAT_HEADERS
        elif client == 'kafka-python':
            headers = tuple((name, text or b'') for name, text in headers)
            value = b'' if key is None and value is None else value
        yield partition, timestamp, key, value, headers


def blob(data):
    return struct.pack('>i', -1) if data is None else struct.pack('>i', len(data)) + data


def write(path, records):
    with open(path, 'wb') as file:
        for partition, timestamp, key, value, headers in records:
            file.write(struct.pack('>iq', partition, timestamp) + blob(key) + blob(value) +
                       struct.pack('>i', len(headers)) +
                       b''.join(blob(name.encode()) + blob(text) for name, text in headers))


def read(path):
    """Yields what `write` was given."""
    with open(path, 'rb') as file:
        def take():
            size = struct.unpack('>i', file.read(4))[0]
            return None if size < 0 else file.read(size)

        while fixed := file.read(12):
            partition, timestamp = struct.unpack('>iq', fixed)
            key, value = take(), take()
            count = struct.unpack('>i', file.read(4))[0]
            yield partition, timestamp, key, value, [(take().decode(), take()) for _ in range(count)]


class Digest:
    """Of one partition."""

    def __init__(self):
        self.count = 0
        self.content = hashlib.sha256()
        self.times = hashlib.sha256()

    def add(self, offset, timestamp, key, value, headers):
        """`headers`: (name, value) pairs, or their text in bytes."""
        if not isinstance(headers, bytes):
            headers = b','.join(name.encode() + b'=' + (b'NULL' if text is None else text) for name, text in headers)
        self.content.update(b'%d %d %d %b\n' % (offset, -1 if key is None else len(key),
                                                -1 if value is None else len(value), headers))
        self.content.update(key or b'')
        self.content.update(value or b'')
        self.times.update(b'%d\n' % timestamp)
        self.count += 1

    def line(self, topic, partition):
        return f'{topic} {partition} {self.count} {self.content.hexdigest()} {self.times.hexdigest()}'


def print_digests(digests):
    """`digests`: {(topic, partition): Digest}."""
    for topic, partition in sorted(digests):
        print(digests[topic, partition].line(topic, partition))


def expected(topic, records):
    """The digest lines that a reader of these records has to print, as a list."""
    digests = [Digest() for _ in range(PARTITIONS)]
    for partition, timestamp, key, value, headers in records:
        digests[partition].add(digests[partition].count, timestamp, key, value, headers)
    return [digests[partition].line(topic, partition) for partition in range(PARTITIONS)]
