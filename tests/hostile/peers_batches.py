"""Record batches that lie, and batches that become gigabytes."""
import itertools
import struct
import time

import batch
import bombs
import topics
import wire
from peers_frames import FEW_MIB
from suite import Failure, expect
from trap_support import CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE, NONE, Topic

# max.decompressed.message.bytes is 16 MiB in this cluster: its old and its new place while it grows, the codec's own
# memory, and the frame.
BOMB_MIB = 2 * 16 + 16 + FEW_MIB
numbers = itertools.count(1)


class Target(Topic):
    """A topic at the node under attack."""

    def __init__(self, lab, configs=None):  # pylint: disable=super-init-not-called
        self.cluster = lab.cluster
        self.name = f'target-{next(numbers)}'
        self.id = topics.create(self.cluster, self.name, configs=configs)
        self.connections = []
        self.connection = self.connect()


def signed(data):
    """With the right checksum."""
    return data[:17] + struct.pack('>I', batch.crc32c(data[21:])) + data[21:]


def put(data, at, form, value):
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form):]


def lies():
    """(what, batch, errors that it may get)"""
    right = batch.build([b'one', b'two', b'three'])
    refused = (CORRUPT_MESSAGE, INVALID_RECORD)
    for count in (0, 2, 4, -1, 2147483647, -2147483648):
        yield f'a record count of {count}', signed(put(right, 57, '>i', count)), refused
    for delta in (0, 1, 3, -1, 2147483647):
        yield f'a last offset delta of {delta}', signed(put(right, 23, '>i', delta)), refused
    for size in (0, 48, len(right) - 13, len(right) - 11, 2147483647, -1, -2147483648):
        yield f'a batch length of {size}', put(right, 8, '>i', size), refused + (MESSAGE_TOO_LARGE,)
    yield 'another checksum', put(right, 17, '>I', 1), refused
    # Old formats are not in this protocol any more: 87, or 43 unsupported for message format.
    for magic in (0, 1, 3, 127, -1):
        yield f'magic {magic}', put(right, 16, '>b', magic), refused + (43, 76)
    yield 'an unknown codec', signed(put(right, 21, '>h', 7)), refused + (76,)
    yield 'a control batch', signed(put(right, 21, '>h', 0x20)), refused
    yield 'unknown attributes', signed(put(right, 21, '>h', 0x4000)), refused
    yield 'a base sequence without a producer', signed(put(right, 53, '>i', 5)), refused + (NONE,)
    yield 'a producer without an epoch', signed(put(put(right, 43, '>q', 5), 51, '>h', -1)), refused
    yield 'a negative time', signed(put(put(right, 27, '>q', -5), 35, '>q', -5)), (NONE, 32)  # Kafka takes it
    yield 'two batches', right + right, refused
    yield 'half a batch', right[:40], refused
    yield 'a batch and a byte', right + b'\0', refused
    yield 'one byte', b'\0', refused
    yield 'nothing', b'', refused
    yield 'zeros', bytes(200), refused + (43, 76)
    yield 'noise', bytes(range(256)) * 4, refused + (43, 76, MESSAGE_TOO_LARGE)


def record_batches_that_lie_are_refused_and_leave_nothing(lab):
    with Target(lab) as topic:
        stored = 0
        for what, data, errors in lies():
            got = topic.produce(data)
            if got['error_code'] not in errors:
                raise Failure(f'{what}: expected one of {errors}, got {got["error_code"]} {got["error_message"]}')
            stored += 3 if got['error_code'] == NONE else 0
        expect('end of the log', stored, topic.end())
        # Behind acks=0 nobody waits for an answer: the connection is closed.
        connection = topic.connect()
        connection.send('Produce', wire.newest('Produce'), **{**topic.produce_request({0: b'\0' * 70}), 'acks': 0})
        try:
            connection.receive_raw()
            raise Failure('an answer for acks=0')
        except wire.Closed:
            pass
        expect('base offset afterwards', stored, topic.append(batch.build([b'right'])))


def records_that_lie_inside_are_refused_where_they_are_looked_at(lab):
    right = batch.build([b'one', b'two', b'three'])
    with Target(lab, {'compression.type': 'lz4'}) as topic:
        for at in range(61, len(right)):
            for value in (0xff, 0x7f, 0x00):
                if right[at] == value:
                    continue
                got = topic.produce(signed(right[:at] + bytes([value]) + right[at + 1:]))
                if got['error_code'] not in (NONE, CORRUPT_MESSAGE, INVALID_RECORD, 32):
                    raise Failure(f'byte {at} as {value}: error {got["error_code"]} {got["error_message"]}')
        topic.append(right)


def bomb_batch(codec, content):
    """A batch that says it holds a million records."""
    tail = struct.pack('>hiqqqhii', codec, 999999, int(time.time() * 1000), int(time.time() * 1000), -1, -1, -1,
                       1000000) + content
    # The checksum over a megabyte in Python takes a while, and zeros and runs cannot be guessed by the server.
    return struct.pack('>qiibI', 0, len(tail) + 9, 0, 2, batch.crc32c(tail)) + tail


def bombs_of(codec):
    """Contents that claim or become gigabytes, within the megabyte that a batch may have."""
    half = 400 << 10
    return {
        bombs.GZIP: lambda: [bombs.gzip_bomb(256 << 20), bombs.gzip_bomb(2 << 20)[:-8] + b'\xff' * 8],
        bombs.SNAPPY: lambda: [bombs.snappy_bomb(64 * half // 3), bombs.snappy_bomb(1000, 0xffffffff),
                               bombs.snappy_bomb(1000, 0x7fffffff)],
        bombs.LZ4: lambda: [bombs.lz4_bomb(64 << 20)],
        bombs.ZSTD: lambda: [bombs.zstd_bomb(8 << 30), bombs.zstd_bomb(1 << 20, claimed=1 << 40),
                             bombs.zstd_bomb(1 << 20, window=0xf8), bombs.zstd_bomb(1 << 20, claimed=2147483647)],
    }[codec]()


def bombs_are_refused(lab, codec):
    name = {bombs.GZIP: 'gzip', bombs.SNAPPY: 'snappy', bombs.LZ4: 'lz4', bombs.ZSTD: 'zstd'}[codec]
    batches = [bomb_batch(codec, content) for content in bombs_of(codec)]
    # Another codec than the producer's: the server has to look inside.
    with Target(lab, {'compression.type': 'gzip' if codec != bombs.GZIP else 'zstd'}) as topic:
        for data in batches:
            got = topic.produce(data)
            if got['error_code'] not in (MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_RECORD):
                raise Failure(f'{name} of {len(data)} bytes: got {got["error_code"]} {got["error_message"]}')
        expect('end of the log', 0, topic.end())
    # Where it need not look inside the bytes are stored as they came; reading by time must not unpack them without
    # bounds either.
    with Target(lab) as topic:
        for data in batches:
            got = topic.produce(data)
            if got['error_code'] not in (NONE, MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_RECORD):
                raise Failure(f'{name}, stored: got {got["error_code"]}')
        for timestamp in (0, -3, int(time.time() * 1000) - 1):
            topic.offset(timestamp)
    lab.note = '; batches of ' + ', '.join(f'{len(data) >> 10} KiB' for data in batches)


def gzip_bombs_are_refused(lab):
    bombs_are_refused(lab, bombs.GZIP)


def snappy_bombs_are_refused(lab):
    bombs_are_refused(lab, bombs.SNAPPY)


def lz4_bombs_are_refused(lab):
    bombs_are_refused(lab, bombs.LZ4)


def zstd_bombs_are_refused(lab):
    bombs_are_refused(lab, bombs.ZSTD)


def tests(kind):
    if kind != 'node':
        return []
    return [(record_batches_that_lie_are_refused_and_leave_nothing, FEW_MIB),
            (records_that_lie_inside_are_refused_where_they_are_looked_at, FEW_MIB),
            (gzip_bombs_are_refused, BOMB_MIB), (snappy_bombs_are_refused, BOMB_MIB), (lz4_bombs_are_refused, BOMB_MIB),
            (zstd_bombs_are_refused, BOMB_MIB)]
