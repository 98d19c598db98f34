#!/usr/bin/env python3
"""Seeds for the fuzzers of messages, encoded from the schemas by themselves: every message at every version, once with
every field filled and once with as little as may be.

    tests/fuzz/seeds.py INTO        writes INTO/requests/, INTO/responses/, INTO/metadata_records/
"""
import glob
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'common', 'wire', 'schema'))
import kmsg  # noqa: E402

FORMATS = {'int8': '>b', 'int16': '>h', 'uint16': '>H', 'int32': '>i', 'uint32': '>I', 'int64': '>q', 'float64': '>d'}


def uvarint(value):
    out = b''
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


class Encoder:
    """One message at one version. `full`: every field has a value, else null, empty or zero where that is allowed."""

    def __init__(self, message, version, full):
        self.version, self.full = version, full
        self.flexible = message.flexible is not None and version >= message.flexible
        self.number = 0

    def size(self, count, classic):
        """A length or count; -1 is null."""
        return uvarint(count + 1) if self.flexible else struct.pack(classic, count)

    def present(self, field):
        return field.versions[0] <= self.version <= field.versions[1]

    def nullable(self, field):
        return field.nullable is not None and field.nullable[0] <= self.version <= field.nullable[1]

    def scalar(self, kind):
        self.number += 1
        if kind == 'bool':
            return bytes([self.full])
        if kind == 'uuid':
            return bytes([self.number % 256] * 16 if self.full else [0] * 16)
        if kind in FORMATS:
            return struct.pack(FORMATS[kind], self.number % 100 if self.full else 0)
        text = b'name-%d' % self.number if self.full else b''
        return self.size(len(text), '>h' if kind == 'string' else '>i') + text

    def one(self, field):
        return self.fields(field.fields) if field.kind == 'struct' else self.scalar(field.kind)

    def value(self, field):
        if self.nullable(field) and not self.full:
            if field.kind == 'struct' and not field.array:
                return b'\xff'
            return self.size(-1, '>h' if field.kind == 'string' and not field.array else '>i')
        if field.array:
            count = 2 if self.full else 0
            return self.size(count, '>i') + b''.join(self.one(field) for _ in range(count))
        if field.kind == 'struct' and self.nullable(field):
            return b'\x01' + self.one(field)
        return self.one(field)

    def fields(self, fields):
        fields = [field for field in fields if self.present(field)]
        out = b''.join(self.value(field) for field in fields if field.tag is None)
        if self.flexible:
            tagged = sorted((field for field in fields if field.tag is not None and self.full), key=lambda f: f.tag)
            # And one that nobody knows.
            out += uvarint(len(tagged) + self.full)
            for field in tagged:
                value = self.value(field)
                out += uvarint(field.tag) + uvarint(len(value)) + value
            if self.full:
                out += uvarint(99) + uvarint(3) + b'new'
        return out


def seeds_of(message):
    for version in range(message.versions[0], message.versions[1] + 1):
        for full in (False, True):
            yield version, full, Encoder(message, version, full).fields(message.fields)


def main(into):
    messages = []
    for path in sorted(glob.glob(os.path.join(ROOT, 'common', 'wire', 'schema', '*.kmsg'))):
        messages += kmsg.parse_file(path)
    keys = sorted({message.key for message in messages if message.kind == 'request'})
    folders = {'request': 'requests', 'response': 'responses', 'metadata': 'metadata_records'}
    for folder in folders.values():
        os.makedirs(os.path.join(into, folder), exist_ok=True)
    for message in messages:
        if message.kind not in folders:
            continue
        for version, full, body in seeds_of(message):
            if message.kind == 'metadata':
                start = uvarint(1) + uvarint(message.key) + uvarint(version)
            else:
                start = bytes([keys.index(message.key), version - message.versions[0]])
            name = f'{kmsg.snake(message.name)}-{version}-{"full" if full else "bare"}'
            with open(os.path.join(into, folders[message.kind], name), 'wb') as file:
                file.write(start + body)


if __name__ == '__main__':
    main(sys.argv[1])
