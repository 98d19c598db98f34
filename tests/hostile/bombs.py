"""Compressed bytes that become very many zeros, made without any library but zlib."""
import struct
import zlib

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4


def gzip_bomb(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b''.join(packer.compress(zeros) for _ in range(size >> 20)) + packer.flush()


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7f | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def snappy_bomb(size, claimed=None):
    """One literal, then copies of 64 bytes, three bytes each."""
    copies = (size - 1) // 64
    return varint(size if claimed is None else claimed) + b'\0\0' + b'\xfe\x01\0' * copies + \
        bytes([(size - 1 - 64 * copies - 1) << 2 | 2, 1, 0] if size - 1 > 64 * copies else [])


def lz4_bomb(size):
    """Blocks of 4 MiB: a literal and one match whose length takes a byte for each 255."""
    block_size = 4 << 20
    match = block_size - 1 - 5 - 4
    length = match - 15
    block = b'\x1f\0\x01\0' + b'\xff' * (length // 255) + bytes([length % 255]) + b'\x50' + b'\0' * 5
    descriptor = b'\x60\x70'
    check = (xxh32(descriptor) >> 8) & 0xff
    return struct.pack('<I', 0x184d2204) + descriptor + bytes([check]) + \
        (struct.pack('<I', len(block)) + block) * (size // block_size) + struct.pack('<I', 0)


def xxh32(data):
    """Of fewer than 16 bytes."""
    mask, primes = 0xffffffff, (2654435761, 2246822519, 3266489917, 668265263, 374761393)
    value = (primes[4] + len(data)) & mask
    for byte in data:
        value = (value + byte * primes[4]) & mask
        value = ((value << 11 | value >> 21) * primes[0]) & mask
    value = ((value ^ value >> 15) * primes[1]) & mask
    value = ((value ^ value >> 13) * primes[2]) & mask
    return value ^ value >> 16


def zstd_bomb(size, window=0x38, claimed=None):
    """Blocks of one byte repeated 131072 times. `window` 0x38: 128 KiB. `claimed`: a content size in the header."""
    block_size = 128 << 10
    head = struct.pack('<I', 0xfd2fb528)
    head += bytes([0, window]) if claimed is None else bytes([0xc0, window]) + struct.pack('<Q', claimed)
    count = size // block_size
    word = block_size << 3 | 1 << 1
    return head + (struct.pack('<I', word)[:3] + b'\0') * (count - 1) + struct.pack('<I', word | 1)[:3] + b'\0'
