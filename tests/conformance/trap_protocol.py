"""Traps of the protocol itself: versions, unknown requests, sizes."""
import struct
import uuid

import topics
import wire
from suite import Failure, Skip, expect
from trap_support import (INVALID_REQUEST, NONE, REBOOTSTRAP_REQUIRED, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION,
                          UNSUPPORTED_VERSION, offered, versions)

PRODUCE = 0
METADATA = 3


def connect(suite):
    return wire.Connection(topics.first(suite.cluster.bootstrap))


def expect_closed(what, connection):
    try:
        got = connection.receive_raw()
    except wire.Closed:
        return
    raise Failure(f'{what}: expected a closed connection, got {got[:60]!r}')


def api_versions_in_every_version(suite):
    for address in (topics.first(suite.cluster.bootstrap), topics.first(suite.cluster.controllers)):
        with wire.Connection(address) as connection:
            for version in versions(connection, 'ApiVersions'):
                answer = connection.ask('ApiVersions', version, client_software_name='conformance',
                                        client_software_version='1.0')
                expect(f'error, v{version} at {address}', NONE, answer['error_code'])
                for api in answer['api_keys']:
                    if api['min_version'] > api['max_version']:
                        raise Failure(f'v{version}: {api}')


def api_versions_of_the_future_is_answered_in_version_zero(suite):
    """KIP-511: error 35 and the range of ApiVersions itself; the connection stays."""
    with connect(suite) as connection:
        number = connection.send_raw(wire.API_VERSIONS, 99, b'whatever', True)
        reader = wire.Reader(connection.receive_raw())
        expect('correlation id', number, reader.number('int32'))
        codec = wire.Codec(wire.MESSAGES['ApiVersionsResponse'], 0)
        answer = codec.take_fields(reader, codec.message.fields)
        expect('error', UNSUPPORTED_VERSION, answer['error_code'])
        expect('bytes left', 0, len(reader.data) - reader.at)
        own = [api for api in answer['api_keys'] if api['api_key'] == wire.API_VERSIONS]
        expect('rows of ApiVersions', 1, len(own))
        connection.ask('ApiVersions', 0)


def api_versions_checks_the_client_name(suite):
    with connect(suite) as connection:
        answer = connection.ask('ApiVersions', 3, client_software_name='no blanks, please',
                                client_software_version='1.0')
        expect('error', INVALID_REQUEST, answer['error_code'])


def wrong_cluster_is_told_to_bootstrap_again(suite):
    """KIP-1242."""
    with connect(suite) as connection:
        if offered(connection, 'ApiVersions') < 5:
            raise Skip('the server has no ApiVersions v5')
        cluster = connection.ask('DescribeCluster')['cluster_id']
        for name, wanted in ((cluster, NONE), ('AAAAAAAAAAAAAAAAAAAAAA', REBOOTSTRAP_REQUIRED)):
            answer = connection.ask('ApiVersions', 5, client_software_name='conformance', client_software_version='1',
                                    cluster_id=name)
            expect(f'error for cluster {name}', wanted, answer['error_code'])


def produce_is_advertised_from_zero(suite):
    """KAFKA-18659: librdkafka needs the row to start there."""
    with connect(suite) as connection:
        row = [api for api in connection.ask('ApiVersions', 0)['api_keys'] if api['api_key'] == PRODUCE]
        expect('first version of Produce', [0], [api['min_version'] for api in row])


def produce_two_closes(suite):
    with connect(suite) as connection:
        connection.send_raw(PRODUCE, 2, struct.pack('>hii', -1, 1000, 0), False)
        expect_closed('Produce v2', connection)


def unknown_apis_and_versions_close(suite):
    for key, version in ((999, 0), (-1, 0), (METADATA, 99), (METADATA, -1), (4, 0), (1, 3)):
        with connect(suite) as connection:
            connection.send_raw(key, version, b'\0' * 20, False)
            expect_closed(f'request {key} v{version}', connection)


def sizes_out_of_bounds_close(suite):
    for size in (-1, 0x7fffffff, 0, 3):
        with connect(suite) as connection:
            connection.socket.sendall(struct.pack('>i', size) + b'\0' * max(0, min(size, 100)))
            expect_closed(f'size {size}', connection)
    # A length inside that says more than there is.
    with connect(suite) as connection:
        connection.send_raw(METADATA, 1, struct.pack('>i', 1000000), False)
        expect_closed('a count of a million in 4 bytes', connection)
    with connect(suite) as connection:
        connection.ask('ApiVersions', 0)


def metadata_in_every_version(suite):
    with connect(suite) as connection:
        absent = f'absent-{suite.tag}'
        for version in versions(connection, 'Metadata'):
            fields = {'topics': [{'name': absent}]}
            if version >= 4:
                fields['allow_auto_topic_creation'] = False
            if version < 4:
                fields = {'topics': []}
            answer = connection.ask('Metadata', version, **fields)
            if version >= 4:
                expect(f'error, v{version}', UNKNOWN_TOPIC_OR_PARTITION, answer['topics'][0]['error_code'])
            nodes = sorted(node['port'] for node in answer['brokers'])
            wanted = sorted(int(address.rsplit(':', 1)[1]) for address in suite.cluster.bootstrap.split(','))
            expect(f'ports of the nodes, v{version}', wanted, nodes)
        answer = connection.ask('Metadata', 12, topics=[{'name': None, 'topic_id': uuid.UUID(int=12345)}])
        expect('error of an unknown id', UNKNOWN_TOPIC_ID, answer['topics'][0]['error_code'])


def many_requests_in_one_packet(suite):
    """Pipelined requests are parsed as they lie in the buffer, also when the last one is cut."""
    with connect(suite) as connection:
        one = struct.pack('>hhih', wire.API_VERSIONS, 0, 7, -1)
        data = (struct.pack('>i', len(one)) + one) * 500
        connection.socket.sendall(data[:-5])
        for _ in range(499):
            connection.receive_raw()
        connection.socket.sendall(data[-5:])
        expect('correlation id', 7, wire.Reader(connection.receive_raw()).number('int32'))


TESTS = (
    api_versions_in_every_version, api_versions_of_the_future_is_answered_in_version_zero,
    api_versions_checks_the_client_name, wrong_cluster_is_told_to_bootstrap_again, produce_is_advertised_from_zero,
    produce_two_closes, unknown_apis_and_versions_close, sizes_out_of_bounds_close, metadata_in_every_version,
    many_requests_in_one_packet,
)
