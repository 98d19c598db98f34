"""Bytes that are no requests: wrong sizes, wrong lengths inside, cut, dripping, other protocols, noise."""
import os
import random
import socket
import struct
import time

import wire
from suite import Failure, expect
from trap_support import UNSUPPORTED_VERSION

IDLE_SECONDS = 3.0  # connections.max.idle.ms of the cluster under attack, see peers.py
FRAME_MAX = 8 << 20
PRODUCE, METADATA, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE, DESCRIBE_CLUSTER = 0, 3, 17, 18, 36, 60
WAIT_SECONDS = 3.0
RAFT_PREFACE = b'MLRAFT\0\1'
# Receive blocks, decoding arenas and the allocator's slack: what a handful of connections takes whatever they send.
FEW_MIB = 24
# queued.max.request.bytes is 32 MiB in this cluster; beside it one arena of at most 16 MiB + 16 times the frame.
QUEUE_MIB = 32 + FEW_MIB


def connect(lab, source=None):
    # Without an address of its own the system chooses the port when it connects: many more are free then.
    connection = socket.create_connection(('127.0.0.1', lab.port), WAIT_SECONDS, (source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def outcome(connection, seconds=WAIT_SECONDS):
    """What comes back: bytes of an answer, b'' for a closed connection, None for silence."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1 << 16)
    except socket.timeout:
        return None
    except OSError:
        return b''


def send(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        pass  # closed on us already: outcome() says so


def expect_closed(what, lab, data, seconds=WAIT_SECONDS):
    with connect(lab) as connection:
        send(connection, data)
        got = outcome(connection, seconds)
    if got != b'':
        raise Failure(f'{what}: expected a closed connection, got {"silence" if got is None else got[:40]!r}')


def request(key, version, body, flexible=False, client=b'hostile'):
    header = struct.pack('>hhi', key, version, 77) + struct.pack('>h', len(client)) + client
    data = header + (b'\0' if flexible else b'') + body
    return struct.pack('>i', len(data)) + data


def known(lab):
    """A request that both servers answer."""
    codec = wire.Codec(wire.MESSAGES['DescribeClusterRequest'], 0)
    return request(DESCRIBE_CLUSTER, 0, codec.put_fields(codec.message.fields, {
        'include_cluster_authorized_operations': False}), True)


def frame_sizes_out_of_range_close_the_connection(lab):
    sizes = (0, 1, 7, -1, -2147483648, 2147483647, FRAME_MAX + 1)
    lab.repeat(lambda: [expect_closed(f'size {size}', lab, struct.pack('>i', size) + b'\0' * 32) for size in sizes])


def negative_lengths_close_the_connection(lab):
    bodies = (struct.pack('>i', -2), struct.pack('>ih', 1, -1), struct.pack('>ih', 1, -32768),
              struct.pack('>i', -2147483648))
    lab.repeat(lambda: [expect_closed(f'topics {body!r}', lab, request(DESCRIBE_CLUSTER if lab.kind == 'controller'
                                                                        else METADATA, 1, body)) for body in bodies])
    with connect(lab) as connection:  # the client id too, where -1 is null
        send(connection, struct.pack('>ihhih', 10, API_VERSIONS, 0, 1, -2))
        expect('a client id of length -2', b'', outcome(connection))


def huge_counts_close_the_connection(lab):
    huge = wire.put_varint(0xffffffff)
    first = b'\x01' if lab.kind == 'node' else b''
    data = [request(API_VERSIONS, 3, huge + b'x', True), request(API_VERSIONS, 3, b'\xff' * 10, True),
            request(API_VERSIONS, 3, b'\x01\x01' + huge, True), request(API_VERSIONS, 3, b'\xff\xff\xff\xff\x7f', True),
            struct.pack('>i', 2000000) + request(API_VERSIONS, 3, b'\xff' * 3, True)[4:] + b'\xff' * 2000000]
    if first:
        data += [request(METADATA, 1, struct.pack('>i', 2147483647)), request(METADATA, 9, huge, True),
                 request(METADATA, 9, b'\xff\xff\xff\xff\x0f' + b'\0' * 100, True),
                 request(PRODUCE, 3, struct.pack('>hhii', -1, 1, 1000, 2147483647)),
                 request(PRODUCE, 9, struct.pack('>bhi', 0, 1, 1000) + huge, True)]
    lab.repeat(lambda: [expect_closed(f'{part[:40]!r}', lab, part) for part in data])


def every_api_refuses_bodies_of_rubbish(lab):
    """Any API with a body of one repeated byte, or of the largest count: an answer or a closed connection, soon."""
    with wire.Connection(lab.address) as connection:
        apis = connection.ask('ApiVersions', 0)['api_keys']
    bodies = (b'\xff' * 64, b'\x7f\xff\xff\xff' * 16, b'\xff\xff\xff\xff\x0f' * 12, b'\x02' * 64, b'')
    silent = 0
    for api in apis:
        for version in {api['min_version'], api['max_version']}:
            for body in bodies:
                with connect(lab) as connection:
                    send(connection, request(api['api_key'], version, body, True))
                    # A request that is right by chance may wait long, as a fetch does: half a second is enough to see.
                    silent += outcome(connection, 0.5) is None
    lab.note = f'; {len(apis)} APIs'
    if silent > 4:
        raise Failure(f'{silent} requests were neither answered nor refused')


def unknown_apis_and_versions_close_the_connection(lab):
    wrong = ((9999, 0), (-1, 0), (-32768, 0), (32767, 32767), (DESCRIBE_CLUSTER, -1), (DESCRIBE_CLUSTER, 99),
             (DESCRIBE_CLUSTER, -32768), (4, 0))
    lab.repeat(lambda: [expect_closed(f'API {key} v{version}', lab, request(key, version, b'\0' * 16))
                        for key, version in wrong])
    with connect(lab) as connection:
        send(connection, request(API_VERSIONS, 32767, b'\xff' * 9))
        got = outcome(connection)
        expect('error of ApiVersions v32767', UNSUPPORTED_VERSION, struct.unpack_from('>h', got or b'\0' * 16, 8)[0])


def authentication_that_is_not_there_closes_the_connection(lab):
    data = (request(SASL_HANDSHAKE, 1, b'\0\x05PLAIN'), request(SASL_AUTHENTICATE, 2, b'\x0c\0user\0secret\0', True),
            struct.pack('>i', 12) + b'\0user\0secret')  # SASL bytes without Kafka's frames, as old clients send
    lab.repeat(lambda: [expect_closed(f'{part[:30]!r}', lab, part) for part in data])


def frames_cut_anywhere_and_closed_do_nothing(lab):
    whole = known(lab)

    def cut():
        for at in range(len(whole)):
            with connect(lab) as connection:
                send(connection, whole[:at])

    lab.repeat(cut)


def frames_cut_anywhere_and_silent_are_closed_as_idle(lab):
    whole = known(lab)
    begin = time.monotonic()
    connections = []
    for at in range(0, len(whole)):
        connections.append(connect(lab))
        send(connections[-1], whole[:at])
    # A frame that claims eight megabytes holds no eight megabytes.
    for _ in range(64):
        connections.append(connect(lab))
        send(connections[-1], struct.pack('>i', FRAME_MAX) + b'\0' * 100)
    time.sleep(max(0.0, IDLE_SECONDS - 1 - (time.monotonic() - begin)))
    early = sum(outcome(connection, 0.001) == b'' for connection in connections)
    left = [index for index, connection in enumerate(connections) if outcome(connection, 2.5) != b'']
    for connection in connections:
        connection.close()
    lab.note = f'; {len(connections)} closed after {time.monotonic() - begin:.1f} s'
    expect('closed before their time', 0, early)
    expect('connections left', [], left)


def one_byte_at_a_time_is_answered(lab):
    whole = known(lab)

    def drip():
        with connect(lab) as connection:
            for at in range(len(whole)):
                connection.sendall(whole[at:at + 1])
                time.sleep(0.0005)
            got = outcome(connection)
        expect('correlation id', 77, struct.unpack_from('>i', got or b'\xff' * 8, 4)[0])

    lab.repeat(drip)


def noise_is_closed(lab):
    chance = random.Random(os.environ.get('HOSTILE_SEED', '1'))

    def noise():
        with connect(lab) as connection:
            send(connection, chance.randbytes(chance.randrange(1, 65536)))

    def framed():
        data = chance.randbytes(chance.randrange(8, 4096))
        with connect(lab) as connection:
            key = struct.pack('>hh', chance.randrange(0, 93), chance.randrange(0, 18))
            send(connection, struct.pack('>i', len(data) + 4) + key + data)
            outcome(connection, 0.02)

    lab.note = f'; {lab.repeat(noise)} times, and {lab.repeat(framed)} framed'


def other_protocols_are_closed(lab):
    hello = bytes.fromhex('1603010200010001fc0303') + b'\x5a' * 502
    data = (b'GET / HTTP/1.1\r\nHost: example\r\n\r\n', hello, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'SSH-2.0-x\r\n',
            b'*1\r\n$4\r\nPING\r\n', b'\xff' * 300)
    lab.repeat(lambda: [expect_closed(f'{part[:12]!r}', lab, part) for part in data])


def forged_peers_of_the_quorum_are_closed(lab):
    chance = random.Random(7)

    def forge():
        for tail in (b'', b'\xff' * 64, b'\0' * 4096, chance.randbytes(5000), struct.pack('>I', 0x7fffffff) * 16,
                     struct.pack('<I', 0x7fffffff) * 16):
            with connect(lab) as connection:
                send(connection, RAFT_PREFACE + tail)
                outcome(connection, 0.02)

    lab.repeat(forge)


def tests(kind):
    found = [(frame_sizes_out_of_range_close_the_connection, FEW_MIB), (negative_lengths_close_the_connection, FEW_MIB),
             (huge_counts_close_the_connection, FEW_MIB), (every_api_refuses_bodies_of_rubbish, FEW_MIB),
             (unknown_apis_and_versions_close_the_connection, FEW_MIB),
             (authentication_that_is_not_there_closes_the_connection, FEW_MIB),
             (frames_cut_anywhere_and_closed_do_nothing, FEW_MIB),
             (frames_cut_anywhere_and_silent_are_closed_as_idle, QUEUE_MIB), (one_byte_at_a_time_is_answered, FEW_MIB),
             (noise_is_closed, QUEUE_MIB), (other_protocols_are_closed, FEW_MIB)]
    if kind == 'controller':
        found.append((forged_peers_of_the_quorum_are_closed, FEW_MIB))
    return found
