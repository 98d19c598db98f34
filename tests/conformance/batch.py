"""Record batches, format 2, as a test wants them: right or wrong in one place."""
import struct
import time

TIMESTAMP_NOW = None
OVERHEAD = 61


def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def zigzag(value):
    value = value << 1 ^ value >> 63
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7f | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def record(offset, value, key=None, time_delta=0):
    body = b'\0' + zigzag(time_delta) + zigzag(offset)
    for data in (key, value):
        body += zigzag(-1) if data is None else zigzag(len(data)) + data
    body += zigzag(0)
    return zigzag(len(body)) + body


def build(values, timestamp=TIMESTAMP_NOW, producer_id=-1, epoch=-1, sequence=-1, crc=None):
    """One batch of these values. `crc`: another than the right one."""
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    records = b''.join(record(i, value) for i, value in enumerate(values))
    tail = struct.pack('>hiqqqhii', 0, len(values) - 1, timestamp, timestamp, producer_id, epoch, sequence,
                       len(values)) + records
    crc = crc32c(tail) if crc is None else crc
    return struct.pack('>qiibI', 0, len(tail) + 9, 0, 2, crc) + tail


def split(data):
    """Yields (base offset, count, producer id, epoch, sequence, bytes) of each whole batch."""
    at = 0
    while at + OVERHEAD <= len(data):
        base, size = struct.unpack_from('>qi', data, at)
        if at + 12 + size > len(data):
            return
        producer_id, epoch, sequence, count = struct.unpack_from('>qhii', data, at + 43)
        yield base, count, producer_id, epoch, sequence, data[at:at + 12 + size]
        at += 12 + size
