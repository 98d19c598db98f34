"""A small client of the protocol for tests that need exact bytes: messages of every version, encoded from the schema
files, which schema_compare.py holds against Kafka's own definitions. Messages are dictionaries; missing fields take
their default."""
import itertools
import os
import socket
import struct
import sys
import uuid

from suite import ROOT, Failure

SCHEMAS = os.path.join(ROOT, 'common', 'wire', 'schema')
sys.path.insert(0, SCHEMAS)
import kmsg  # noqa: E402  pylint: disable=wrong-import-position

FORMATS = {'int8': '>b', 'int16': '>h', 'uint16': '>H', 'int32': '>i', 'uint32': '>I', 'int64': '>q', 'bool': '>?',
           'float64': '>d'}
ANSWER_SECONDS = 20
API_VERSIONS = 18


class Closed(Exception):
    """The server closed the connection."""


def put_varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7f | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise Failure(f'an answer is {self.at + size - len(self.data)} bytes too short')
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, kind):
        return struct.unpack(FORMATS[kind], self.take(struct.calcsize(FORMATS[kind])))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value


class Codec:
    """Of one message in one version."""

    def __init__(self, message, version):
        self.message, self.version = message, version
        self.flexible = message.flexible is not None and version >= message.flexible

    def present(self, field):
        return field.versions[0] <= self.version <= field.versions[1]

    def default(self, field):
        if field.array:
            return [] if field.default == [] else None
        if field.kind == 'struct':
            return None if field.default is None else {}
        if field.kind == 'uuid':
            return uuid.UUID(int=0)
        if field.kind == 'bytes' and field.default == '':
            return b''
        return field.default

    def put_size(self, size, short):
        """`size` None: null. `short`: strings have 16 bits for it in versions before the flexible ones."""
        if self.flexible:
            return put_varint(0 if size is None else size + 1)
        return struct.pack('>h' if short else '>i', -1 if size is None else size)

    def put_one(self, field, value):
        if field.kind == 'struct':
            if field.nullable and not field.array:
                return b'\xff' if value is None else b'\x01' + self.put_fields(field.fields, value)
            return self.put_fields(field.fields, value)
        if field.kind == 'uuid':
            return value.bytes
        if field.kind in ('string', 'bytes', 'records'):
            data = value.encode() if isinstance(value, str) else value
            return self.put_size(None if data is None else len(data), field.kind == 'string') + (data or b'')
        return struct.pack(FORMATS[field.kind], value)

    def put_field(self, field, value):
        if not field.array:
            return self.put_one(field, value)
        if value is None:
            return self.put_size(None, False)
        return self.put_size(len(value), False) + b''.join(self.put_one(field, item) for item in value)

    def put_fields(self, fields, values):
        present = [field for field in fields if self.present(field)]
        unknown = set(values) - {field.name for field in fields}
        if unknown:
            raise KeyError(f'{self.message.full_name} has no {unknown}')
        data = b''.join(self.put_field(field, values.get(field.name, self.default(field)))
                        for field in present if field.tag is None)
        if self.flexible:
            tagged = sorted((field.tag, self.put_field(field, values[field.name]))
                            for field in present if field.tag is not None and field.name in values)
            data += put_varint(len(tagged)) + b''.join(put_varint(tag) + put_varint(len(part)) + part
                                                      for tag, part in tagged)
        return data

    def take_size(self, reader, short):
        if self.flexible:
            size = reader.varint()
            return None if size == 0 else size - 1
        size = reader.number('int16' if short else 'int32')
        return None if size < 0 else size

    def take_one(self, reader, field):
        if field.kind == 'struct':
            if field.nullable and not field.array and reader.number('int8') < 0:
                return None
            return self.take_fields(reader, field.fields)
        if field.kind == 'uuid':
            return uuid.UUID(bytes=reader.take(16))
        if field.kind in ('string', 'bytes', 'records'):
            size = self.take_size(reader, field.kind == 'string')
            data = None if size is None else reader.take(size)
            return data.decode() if field.kind == 'string' and data is not None else data
        return reader.number(field.kind)

    def take_field(self, reader, field):
        if not field.array:
            return self.take_one(reader, field)
        count = self.take_size(reader, False)
        return None if count is None else [self.take_one(reader, field) for _ in range(count)]

    def take_fields(self, reader, fields):
        present = [field for field in fields if self.present(field)]
        values = {field.name: self.default(field) for field in fields}
        for field in present:
            if field.tag is None:
                values[field.name] = self.take_field(reader, field)
        if self.flexible:
            tagged = {field.tag: field for field in present if field.tag is not None}
            for _ in range(reader.varint()):
                tag, size = reader.varint(), reader.varint()
                part = Reader(reader.take(size))
                if tag in tagged:
                    values[tagged[tag].name] = self.take_field(part, tagged[tag])
        return values


def load():
    messages = {}
    for name in sorted(os.listdir(SCHEMAS)):
        if name.endswith('.kmsg'):
            for message in kmsg.parse_file(os.path.join(SCHEMAS, name)):
                messages[message.full_name] = message
    return messages


MESSAGES = load()


def newest(name):
    return MESSAGES[name + 'Request'].versions[1]


class Connection:
    """To one server. Requests may be sent without waiting (`send`), answers come in order (`receive`)."""

    def __init__(self, address, seconds=ANSWER_SECONDS):
        host, port = address.rsplit(':', 1)
        self.address = address
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.numbers = itertools.count(1)
        self.waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, key, version, body, flexible, number=None):
        number = next(self.numbers) if number is None else number
        header = struct.pack('>hhi', key, version, number) + struct.pack('>h', 11) + b'conformance' + \
            (b'\0' if flexible else b'')
        self.socket.sendall(struct.pack('>i', len(header) + len(body)) + header + body)
        return number

    def send(self, name, version, **values):
        message = MESSAGES[name + 'Request']
        codec = Codec(message, version)
        number = self.send_raw(message.key, version, codec.put_fields(message.fields, values), codec.flexible)
        self.waiting.append((number, name, version))

    def take(self, size):
        data = b''
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                part = b''
            except socket.timeout:
                raise Failure(f'{self.address}: no answer within {self.socket.gettimeout()} s') from None
            if not part:
                raise Closed(self.address)
            data += part
        return data

    def receive_raw(self):
        return self.take(struct.unpack('>i', self.take(4))[0])

    def receive(self):
        number, name, version = self.waiting.pop(0)
        reader = Reader(self.receive_raw())
        got = reader.number('int32')
        if got != number:
            raise Failure(f'{name}: the answer to request {got} came where that to {number} was due')
        codec = Codec(MESSAGES[name + 'Response'], version)
        # ApiVersions answers with the old header always: the client may not know more yet.
        if codec.flexible and MESSAGES[name + 'Request'].key != API_VERSIONS:
            reader.varint()
        values = codec.take_fields(reader, codec.message.fields)
        if reader.at != len(reader.data):
            raise Failure(f'{name} v{version}: {len(reader.data) - reader.at} bytes behind the answer')
        return values

    def ask(self, name, version=None, **values):
        self.send(name, newest(name) if version is None else version, **values)
        return self.receive()
