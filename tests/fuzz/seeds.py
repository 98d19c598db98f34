#!/usr/bin/env python3
"""Seeds for the fuzzers of messages, encoded from the schemas by themselves: every message at every version, once with
every field filled and once with as little as may be.

    tests/fuzz/seeds.py INTO        writes INTO/TARGET/NAME for all targets but those of fuzz_seeds

Beside them the texts that need no encoder, talks of clients and servers, and what real clients said (captured/, kept by
capture.py).
"""
import glob
import os
import re
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


def save(into, target, name, data):
    folder = os.path.join(into, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as file:
        file.write(data)


def save_messages(into, messages, keys):
    targets = {'request': 'requests', 'response': 'responses', 'metadata': 'metadata_records'}
    for message in messages:
        if message.kind not in targets:
            continue
        for version, full, body in seeds_of(message):
            if message.kind == 'metadata':
                start = uvarint(1) + uvarint(message.key) + uvarint(version)
            else:
                start = bytes([keys.index(message.key), version - message.versions[0]])
            name = f'{kmsg.snake(message.name)}-{version}-{"full" if full else "bare"}'
            save(into, targets[message.kind], name, start + body)


def is_flexible(message, version):
    return message.flexible is not None and version >= message.flexible


def frame_of(message, version, correlation_id, full):
    """A request as it is on the wire."""
    header = struct.pack('>hhi', message.key, version, correlation_id) + b'\0\4fuzz'
    header += b'\0' if is_flexible(message, version) else b''
    body = header + Encoder(message, version, full).fields(message.fields)
    return struct.pack('>i', len(body)) + body


def save_server_talks(into, requests):
    """Steps of fuzz_rpc_server: 1 bytes, 2 and 3 finish a request, 7 a turn."""
    for request in requests:
        for version in {request.versions[0], request.versions[1]}:
            frames = b''.join(frame_of(request, version, number, number % 2 == 0) for number in range(5))
            talk = bytes([1]) + struct.pack('>H', len(frames)) + frames + bytes([7, 3, 7, 2, 7])
            save(into, 'rpc_server', f'{kmsg.snake(request.name)}-{version}', talk)
    frames = b''.join(frame_of(requests[0], 3, number, True) for number in (1, 0, 4, 9, 2))
    slow = bytes([4, 1]) + struct.pack('>H', len(frames)) + frames + bytes([7, 2, 4, 7, 5])
    save(into, 'rpc_server', 'slow', slow)
    save(into, 'rpc_server', 'byte-by-byte', bytes([0x81]) + slow[2:])
    save(into, 'rpc_server', 'upgrade', bytes([0, 12]) + b'MLRAFT\0\1rest' + bytes([7, 0, 1, 255]))


def save_client_talks(into, requests, responses):
    """Steps of fuzz_rpc_client: 1 an answer, 3 a call (its API above)."""
    offer = b''.join(struct.pack('>hhh', r.key, *r.versions) + b'\0' for r in requests)
    offer = struct.pack('>h', 0) + uvarint(len(requests) + 1) + offer + bytes(5)
    hello = b'\0\1' + struct.pack('>H', len(offer)) + offer
    save(into, 'rpc_client', 'hello', hello)
    save(into, 'rpc_client', 'hello-of-an-old-server',
         b'\1' + bytes([0, 6]) + struct.pack('>hi', 35, 0) + bytes([0, 12]) + struct.pack('>hihhh', 0, 1, 18, 0, 2))
    for number, response in enumerate(responses[:32]):
        version = response.versions[1]
        body = b'\0' if is_flexible(response, version) and response.key != 18 else b''
        body += Encoder(response, version, True).fields(response.fields)
        save(into, 'rpc_client', kmsg.snake(response.name),
             hello + bytes([3 | number << 3, 1]) + struct.pack('>H', len(body)) + body)


NODE = b'node.id=1\nlisteners=PLAINTEXT://localhost:9092\nlog.dirs=/data/a,\\\n  /data/b\n' \
       b'controller.quorum.bootstrap.servers=localhost:9093\nlog.segment.bytes=64MiB\nlog.retention.ms=7d\n'
CONTROLLER = b'node.id=1\nlisteners=CONTROLLER://:9093\nmetadata.log.dir=/data/c\n' \
             b'controller.quorum.voters=1@localhost:9093,2@[::1]:9094\nnum.partitions=3\n'
def journal_entry(offset, epoch):
    """Of the file that has producers and epochs of many logs; checksums are left to the fuzzer."""
    epochs = b'0\n2\n0 0\n%d 90\n' % epoch
    snapshot = struct.pack('>hIi', 1, 0, 1) + struct.pack('>qhiqiqiq', 7, 0, 3, offset - 1, 3, 1000, -1, -1)
    body = bytes(range(16)) + struct.pack('>iqi', 3, offset, epoch) + \
        struct.pack('>qIIIIqqqI', 0, 5000, 70, 12, 9, 1700, offset - 1, 1000, len(epochs)) + epochs + snapshot
    return struct.pack('>II', len(body), 0) + body


TEXTS = {
    'checkpoint': [b'\x000\n2\nevents 0 1200\nevents 1 800\n',
                   b'\x000\n2\nevents 0 AQIDAAAAAAAAAAAAAAAAAA\nevents 1 AAAAAAAAAAAAAAAAAAAAAA\n',
                   b'\1version=1\ncluster.id=abc\\:def\nnode.id=3\ndirectory.id=AQIDAAAAAAAAAAAAAAAAAA\n',
                   b'\2{"version":0,"brokerEpoch":17}', b'\2{"version": 0, "brokerEpoch" : -1}',
                   b'\2{"version":0,"brokerEpoch":}', b'\1version=0\n',
                   b'\3version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA\n',
                   b'\3version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\nmillrace: AAAAAAAAAAAAAAAAAAAAAQ 0b1cb6a2\n',
                   b'\3version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAB\nmillrace: AAAAAAAAAAAAAAAAAAAAAQ 0b1cb6a2\n',
                   b'\3version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\nmillrace: AAAAAAAAAAAAAAAAAAAAAQ zzzzzzzz\n',
                   b'\3version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAB', b'\3', b'\3\0\0\0', b'\3version: 1\n',
                   b'\3version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAB\nmillrace: AQIDAAAAAAAAAAAAAAAAAC 00000000\n',
                   b'\x040\n2\n0 0\n3 1200\n', b'\5events-3', b'\5events-3.0123456789abcdef-delete',
                   b'\6life-0', b'\6life-1 ',
                   b'\7events-3\nevents-3.0123456789abcdef-delete\nevents-04\n..-1\nlost+found\n-0\nx-\n',
                   b'\x08\1' + journal_entry(300, 2) + journal_entry(100, 1),
                   b'\x08\0' + journal_entry(300, 2)],
    'properties': [b'\0# comment\nkey=value\nother : va\\\n  lue\nu=\\u0041\\t\\\\\n', b'\x81' + NODE,
                   b'\1' + CONTROLLER,
                   b'\x82' + NODE.replace(b',\\\n  ', b','), b'\2' + CONTROLLER,
                   b'\3MILLRACE_NODE_ID=1\nMILLRACE_LISTENERS=CONTROLLER://:9093\nPATH=/bin\n'
                   b'MILLRACE_CONTROLLER_QUORUM_VOTERS=1@localhost:9093\nMILLRACE_METADATA_LOG_DIR=/d\n'],
    'cli_args': [b'\0millrace\0topic\0create\0hello\0--partitions\x003\0-c\0retention.ms=1\0--if-not-exists\0',
                 b'\0millrace\0consume\0hello\0-o\0beginning\0-e\0--format=%k:%s\0',
                 b'\0millrace\0-b\0localhost:9092\0produce\0-P\0-K:\0-X\0acks=all\0--\0-t\0',
                 b'\0millrace\0produce\0hello\0-X\0linger.ms=50\0-X\0acks=1\0-X\0'
                 b'compression.type=uncompressed\0',
                 b'\0millrace\0status\0-X\0no-equals\0', b'\0millrace\0status\0-X\0linger.m=1\0',
                 b'\0millrace\0status\0-X\0nothing.like.any=1\0', b'\0millrace\0status\0-X\0acks=2\0',
                 b'\0millrace\0status\0-X\0' + b'n' * 200 + b'=1\0',
                 b'\0millrace\0status\0--help\0', b'\0millrace\0--help-json\0', b'\1s@-1h', b'\1end',
                 b'\1-9223372036854775808', b'\1-100', b'\1e@1700',
                 b'\2localhost, one:9092 , [::1]:9093', b'\3acks\0all\0linger.ms\x0050\0compression.type\0zstd\0',
                 b'\3compression.type\0gzip\0compression.level\x009\0isolation.level\0read_committed\0',
                 b'\4# profile\nbootstrap = localhost:9092\ncontrollers=a\n'],
    'cli_text': [b'\0\x41\7\1\3key\5value\1h\1v%t %p %o %T %k=%s %K %S %R %h %%\\n\\x41\\t',
                 b'\1\x81\7\1\3key\5val\xffe\1h\2vv\1i\0',
                 b'\2{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00\\n"], "b": {}}',
                 b'\3aGVsbG8=', b'\4\1one\ntwo\n\nthree', b'\4\3key:value\n:\nnone', b'\4\6k:vab:abab',
                 b'\4\x09{"key": "k", "value": {"base64": "AAEC"}, "headers": {"a": "b"}, "timestamp": 5, '
                 b'"partition": 2}\nnot json\n{"value": null}\n',
                 b'\4\x09{"key": {"base64": "?"}}\n{"headers": [["a", "b"], ["c", null], {"x": 1}]}\n'
                 b'{"value": "v", "headers": [["a", {"base64": "AA=="}]], "timestamp": -5}\n{"partition": -1}\n',
                 b'\4\x09{"value": "v", "headers": [["a", "b"], ["c", null]], "timestamp": 1e99}\n'
                 b'{"value": "v", "headers": {"a": 5}}\n{"value": "v", "partition": 99999999999}\n',
                 b'\5\\n', b'\5\\x41\\t\\r\\0\\\\:', b'\5\\q', b'\5'],
}


def names_in(*pattern):
    """Keys with a dot that these sources name."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, *pattern)):
        with open(path, encoding='utf-8') as file:
            names |= set(re.findall(r'"([a-z]+(?:\.[a-z]+)+)"', file.read()))
    return sorted(names)


TOPIC_VALUES = ('5', '0', '1.5', '1e99', 'x', '7d', '64MiB', '3KB', 'true', 'FALSE', '-1', 'producer', 'lz4', 'delete',
                'compact,delete', 'fsync', 'a,', '', '99999999999999999999', '0.25')


def save_topic_configs(into):
    """Every config of topics, with values of each kind; values that are too long, and room that runs out."""
    path = os.path.join(ROOT, 'common', 'config', 'topic_config.c')
    with open(path, encoding='utf-8') as file:
        names = re.findall(r'(?:CONFIG_[A-Z0-9]+\(|\.name = )"([a-z.]+)"', file.read())
    for name in names:
        text = ''.join(f'{name}={value}\n' for value in TOPIC_VALUES) + f'{name}\n{name[1:]}=1\n'
        save(into, 'properties', f'topic-{name}', b'\x40' + text.encode())
    save(into, 'properties', 'topic-too-many', b'\x50cleanup.policy=' + b'delete,' * 64)
    save(into, 'properties', 'topic-too-long', b'\x50cleanup.policy=' + b'delete' * 100)
    save(into, 'properties', 'topic-little-room', b'\x60cleanup.policy=delete\nno-such-thing=1\n')


def save_settings(into):
    """Every setting of programs and of clients, with values of each kind."""
    for number, lines in enumerate((b'process.roles=broker\n', b'process.roles=controller\n',
                                    b'process.roles=broker,controller\n', b'advertised.listeners=PLAINTEXT://a:1\n',
                                    b'advertised.listeners=PLAINTEXT://:1\n', b'advertised.listeners=A://b:1\n',
                                    b'log.retention.ms=-1\n', b'log.retention.hours=9223372036854\n',
                                    b'max.connections.per.ip=5\n', b'node.id=%s\n' % (b'9' * 30),
                                    b'listeners=PLAINTEXT://[::]:1\n', b'listeners=A://b:1\n', b'cluster.id=x\n',
                                    b'log.retention.minutes=' + b'1h\n', b'log.roll.ms=1500us\n',
                                    b'process.roles=' + b'broker,' * 300 + b'broker\n', b'cleanup.policy=compact\n',
                                    b'log.cleanup.policy=compact\n', b'log.dirs=/a,/a\n',
                                    b'log.dirs=%s\n' % (b'd' * 1100),
                                    b'listeners=CONTROLLER://:9093\n', b'listeners=A://:1,A://:2\n',
                                    b'listeners=A://:1,B://:1\n', b'quorum.heartbeat.ms=900\n',
                                    b'listeners=' + b','.join(b'A%d://:%d' % (i, i + 1) for i in range(100)) + b'\n',
                                    b'controller.quorum.voters=' + b','.join(b'%d@a:1' % i for i in range(100)) + b'\n',
                                    b'log.level=\\ud83d\\ude00\n', b'log.level=\\ud83dx\n', b'log.level=\\u00zz\n')):
        key = lines.split(b'=')[0]
        for choice, base in ((b'\x81', NODE.replace(b'\\\n', b'')), (b'\1', CONTROLLER)):
            kept = b''.join(line + b'\n' for line in base.splitlines() if line.split(b'=')[0] != key)
            save(into, 'properties', f'rules-{choice[0]}-{number}', choice + kept + lines)
    save(into, 'properties', 'rules-one-directory',
         b'\x81' + NODE.replace(b',\\\n  /data/b', b'').replace(b'dirs', b'dir'))
    save(into, 'properties', 'too-many-keys', b'\0' + b''.join(b'%d\n' % i for i in range(3000)))
    for name in names_in('common', 'config', '*.c'):
        for number, value in enumerate(('5', '1.5', 'PLAINTEXT://a:1,B://b:2', 'true')):
            base = b'\2' + CONTROLLER if value == 'true' else b'\x81' + NODE
            save(into, 'properties', f'{name}-{number}', base + f'{name}={value}\n'.encode())
    pairs = [f'{name}\0{value}\0' for name in names_in('cli', 'properties.c') + ['acks']
             for value in ('5', 'false', 'all', 'zstd', '-7')]
    for at in range(0, len(pairs), 8):
        save(into, 'cli_args', f'properties-{at}', b'\3' + ''.join(pairs[at:at + 8]).encode())

def batch_in(frame):
    """The record batch in a produce request or a fetch response, with what follows it; empty if there is none."""
    for at in range(len(frame) - 61):
        size = struct.unpack('>i', frame[at + 8:at + 12])[0]
        if frame[at + 16] == 2 and frame[at:at + 6] == bytes(6) and 49 <= size <= len(frame) - at - 12:
            return frame[at:at + 12 + size]
    return b''


def save_captured(into, requests, responses):
    """Frames of real clients: bodies for the decoders, batches, and a client's whole talk for the server's side."""
    keys = {request.key: number for number, request in enumerate(requests)}
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests', 'fuzz', 'captured', '*.frames'))):
        client = os.path.basename(path).rsplit('.', 1)[0]
        with open(path, 'rb') as file:
            rest = file.read()
        talk = b''
        for number in range(len(rest)):
            if not rest:
                break
            frames = []
            for _ in range(2):
                size = struct.unpack('>i', rest[:4])[0]
                frames.append(rest[4:4 + size])
                rest = rest[4 + size:]
            save_captured_pair(into, (requests, responses, keys), f'{client}-{number}', frames)
            talk += struct.pack('>i', len(frames[0])) + frames[0]
        for at in range(0, len(talk), 4000):
            part = talk[at:at + 4000]
            save(into, 'rpc_server', f'{client}-{at}',
                 bytes([1]) + struct.pack('>H', len(part)) + part + bytes([7, 3, 7, 2, 7]))


def save_captured_pair(into, schemas, name, frames):
    requests, responses, keys = schemas
    key, version = struct.unpack('>hh', frames[0][:4])
    request, response = requests[keys[key]], responses[keys[key]]
    choice = bytes([keys[key], version - request.versions[0]])
    at = 10 + max(0, struct.unpack('>h', frames[0][8:10])[0]) + is_flexible(request, version)
    save(into, 'requests', name, choice + frames[0][at:])
    if frames[1]:
        at = 4 + (is_flexible(response, version) and key != 18)
        save(into, 'responses', name, choice + frames[1][at:])
    for side, frame in zip(('sent', 'got'), frames):
        batch = batch_in(frame) if key in (0, 1) else b''
        if batch:
            save(into, 'record_batch', f'{name}-{side}', b'\0' + batch)
            save(into, 'cli_consumer', f'{name}-{side}', b'\2\0\0' + batch)
            sized = struct.pack('>H', len(batch)) + batch
            save(into, 'log_append', f'{name}-{side}', b'\1\0\0' + sized + b'\2\4\1' + sized)


# Damages of index files: file, kind, position, value.
DAMAGES = b''.join(bytes(damage) for damage in (
    (0, 0, 0, 5, 9), (0, 1, 0, 3, 2), (1, 1, 0, 3, 0), (2, 1, 0, 0, 7), (0, 2, 0, 20, 0), (3, 3, 0, 8, 0),
    (1, 4, 0, 0, 0)))


def save_damaged_indexes(into):
    for flags in range(128):
        for size in (5, 20, len(DAMAGES)) if flags % 8 == 3 else (0, 10)[flags % 2:][:1]:
            save(into, 'log_index', f'flags-{flags}-{size}', bytes((flags, 130, 0)) + DAMAGES[:size])
    for flags in (0x01, 0x0b, 0x4c, 0x6e):
        save(into, 'log_index', f'many-{flags}', bytes((flags, 130, 1)) + DAMAGES)


def main(into):
    messages = []
    for path in sorted(glob.glob(os.path.join(ROOT, 'common', 'wire', 'schema', '*.kmsg'))):
        messages += kmsg.parse_file(path)
    requests = sorted((m for m in messages if m.kind == 'request'), key=lambda m: m.key)
    responses = sorted((m for m in messages if m.kind == 'response'), key=lambda m: m.key)
    save_messages(into, messages, [request.key for request in requests])
    save_server_talks(into, requests)
    save_damaged_indexes(into)
    save_settings(into)
    save_topic_configs(into)
    save_captured(into, requests, responses)
    save_client_talks(into, requests, responses)
    for target, texts in TEXTS.items():
        for number, text in enumerate(texts):
            save(into, target, f'text-{number}', text)
    for number, text in enumerate(TEXTS['checkpoint']):
        for fail in list(range(1, 12)) + [27]:
            save(into, 'checkpoint', f'text-{number}-fail-{fail}', bytes([text[0] + 9 * fail]) + text[1:])


if __name__ == '__main__':
    main(sys.argv[1])
