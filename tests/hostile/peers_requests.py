"""Requests that are well-formed and wanted by nobody: names like paths, the same thing a hundred thousand times, more
partitions than there can be, tagged fields without end."""
import itertools
import os
import struct

import wire
from peers_frames import API_VERSIONS, DESCRIBE_CLUSTER, FEW_MIB, connect, known, outcome, request, send
from suite import Failure, expect
from trap_support import INVALID_TOPIC, NONE

# A frame of at most 8 MiB: its block, its arena (16 MiB + 16 times the frame, at most 128 MiB), and an answer in
# proportion.
LARGE_MIB = 160
NAMES = ('../../etc/passwd', '..', '.', 'a/b', '/etc', 'a\\b', 'a\0b', 'x' * 250, 'naïve', '日本', 'a b', 'a\nb',
         '%2e%2e', '', 'C:evil', '\u202e', '~root', '$HOME', '`id`', ';ls', '*')
REPEATS = 20000
ABSENT = 5000
numbers = itertools.count(1)


def files_below(lab):
    return sorted(name for _, folders, _ in os.walk(lab.cluster.directory) for name in folders)


def topic_names_that_look_like_paths_are_refused(lab):
    before = files_below(lab)
    with wire.Connection(lab.address) as connection:
        for name in NAMES:
            answer = connection.ask('CreateTopics', topics=[{'name': name, 'num_partitions': 1,
                                                             'replication_factor': 1}], timeout_ms=5000)
            expect(f'error of creating {name!r}', INVALID_TOPIC, answer['topics'][0]['error_code'])
        if lab.kind == 'node':
            for name in NAMES:
                answer = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=True)
                expect(f'error of asking for {name!r}', INVALID_TOPIC, answer['topics'][0]['error_code'])
    expect('folders', before, files_below(lab))
    # Bytes that are no text at all.
    name = b'\xff\xfe\xc0\xaf'
    body = struct.pack('>ih', 1, len(name)) + name + struct.pack('>ih', 1, 1) + struct.pack('>iiib', 0, 0, 5000, 0)
    with connect(lab) as connection:
        send(connection, request(19, 2, body))
        got = outcome(connection)
    if got is None:
        raise Failure('a name that is no UTF-8: no answer')


def fields_with_tags_without_end_cost_nothing(lab):
    many = wire.put_varint(200000) + b''.join(wire.put_varint(tag) + b'\x01x' for tag in range(200000))
    nested = b''
    for _ in range(2000):
        nested = b'\x01' + wire.put_varint(99) + wire.put_varint(len(nested)) + nested
    bodies = (many, nested, b'\xff\xff\xff\xff\x0f' + many, b'\x01\x63\xff\xff\xff\xff\x0f', b'\x02\x05\x00\x05\x00',
              b'\x01\xff\xff\xff\xff\x0f\x00')

    def ask():
        for tags in bodies:
            # In the header, and at the end of the body.
            head = struct.pack('>hhih', DESCRIBE_CLUSTER, 0, 77, -1)
            for data in (head + tags + b'\0\0', head + b'\0\0' + tags):
                with connect(lab) as connection:
                    send(connection, struct.pack('>i', len(data)) + data)
                    if outcome(connection) is None:
                        raise Failure(f'tags {tags[:20]!r}: neither answered nor closed')

    lab.repeat(ask)


def twenty_thousand_of_the_same_give_a_bounded_answer(lab):
    """What is listed twice is answered once, or refused: an answer must not be larger than its request by the number of
    partitions or settings that a name stands for."""
    wide = f'wide-{next(numbers)}'
    with wire.Connection(lab.address, 30) as connection:
        answer = connection.ask('CreateTopics', topics=[{'name': wide, 'num_partitions': 200, 'replication_factor': 1}],
                                timeout_ms=10000)
        expect('error of creating a wide topic', NONE, answer['topics'][0]['error_code'])
        sizes = {}
        for name, fields in same_again(lab, wide):
            try:
                connection.send(name, wire.newest(name), **fields)
                number, name, version = connection.waiting.pop(0)
                sizes[name] = len(connection.receive_raw())
            except wire.Closed:
                sizes[name] = 0
                connection = wire.Connection(lab.address, 30)
        connection.ask('DeleteTopics', topics=[{'name': wide}], timeout_ms=10000)
        connection.close()
    lab.note = '; answers ' + ', '.join(f'{name} {size >> 10} KiB' for name, size in sizes.items())
    for name, size in sizes.items():
        if size > 32 << 20:
            raise Failure(f'{name}: an answer of {size >> 20} MiB')


def same_again(lab, topic):
    if lab.kind == 'node':
        yield 'Metadata', {'topics': [{'name': topic}] * REPEATS, 'allow_auto_topic_creation': False}
        yield 'ListOffsets', {'replica_id': -1, 'topics': [{'name': topic, 'partitions': [
            {'partition_index': 0, 'timestamp': -1}] * REPEATS}]}
        yield 'Fetch', {'max_wait_ms': 0, 'max_bytes': 1 << 20, 'topics': [{
            'topic': 'neighbour', 'topic_id': lab.topic_id, 'partitions': [
                {'partition': 0, 'fetch_offset': 0, 'partition_max_bytes': 1 << 20}] * REPEATS}]}
        yield 'DescribeLogDirs', {'topics': [{'topic': topic, 'partitions': [0] * REPEATS}]}
        yield 'OffsetForLeaderEpoch', {'replica_id': -1, 'topics': [{'topic': topic, 'partitions': [
            {'partition': 0, 'leader_epoch': 0}] * REPEATS}]}
        yield 'DeleteRecords', {'timeout_ms': 1000, 'topics': [{'name': topic, 'partitions': [
            {'partition_index': 0, 'offset': 0}] * REPEATS}]}
    yield 'DescribeTopicPartitions', {'topics': [{'name': topic}] * REPEATS, 'response_partition_limit': 2000,
                                      'cursor': None}
    yield 'DescribeConfigs', {'resources': [{'resource_type': 2, 'resource_name': topic,
                                             'configuration_keys': None}] * REPEATS, 'include_synonyms': True,
                              'include_documentation': True}
    yield 'CreateTopics', {'topics': [{'name': 'same', 'num_partitions': 1, 'replication_factor': 1}] * REPEATS,
                           'timeout_ms': 1000, 'validate_only': True}
    yield 'DeleteTopics', {'topics': [{'name': 'absent'}] * REPEATS, 'timeout_ms': 1000}
    yield 'IncrementalAlterConfigs', {'resources': [{'resource_type': 2, 'resource_name': topic, 'configs': [
        {'name': 'retention.ms', 'config_operation': 0, 'value': '1000'}]}] * REPEATS, 'validate_only': True}


def too_many_partitions_and_topics_are_refused(lab):
    """Whoever may create topics can fill a cluster; one request cannot: it gets an error for what is out of range."""
    with wire.Connection(lab.address, 30) as connection:
        for count in (2147483647, 100000000, 0, -2):
            answer = connection.ask('CreateTopics', topics=[{'name': 'huge', 'num_partitions': count,
                                                             'replication_factor': 1}], timeout_ms=5000)
            got = answer['topics'][0]['error_code']
            if got == NONE:
                raise Failure(f'{count} partitions were created')
        for factor in (32767, 0, -2, 2):
            answer = connection.ask('CreateTopics', topics=[{'name': 'huge', 'num_partitions': 1,
                                                             'replication_factor': factor}], timeout_ms=5000)
            if answer['topics'][0]['error_code'] == NONE:
                raise Failure(f'{factor} copies on one node')
        answer = connection.ask('CreateTopics', topics=[{'name': 'huge', 'assignments': [
            {'partition_index': index, 'broker_ids': [1] * 1000} for index in range(100)]}], timeout_ms=5000)
        if answer['topics'][0]['error_code'] == NONE:
            raise Failure('one node a thousand times as a copy')
        try:
            answer = connection.ask('CreatePartitions', topics=[{'name': 'neighbour', 'count': 2147483647,
                                                                 'assignments': None}], timeout_ms=5000)
            if answer['results'][0]['error_code'] == NONE:
                raise Failure('2147483647 partitions were added')
            connection.ask('CreateTopics', topics=[{'name': f'many-{index}', 'num_partitions': 10000,
                                                    'replication_factor': 1} for index in range(2000)],
                           validate_only=True, timeout_ms=5000)
        except wire.Closed:
            lab.note += '; closed'


def requests_for_absent_things_get_errors(lab):
    with wire.Connection(lab.address, 30) as connection:
        names = [f'absent-{index}' for index in range(ABSENT)]
        connection.ask('DescribeTopicPartitions', topics=[{'name': name} for name in names],
                       response_partition_limit=2000, cursor=None)
        connection.ask('DescribeConfigs', resources=[{'resource_type': kind, 'resource_name': name,
                                                      'configuration_keys': ['a' * 1000]}
                                                     for kind in (0, 2, 4, 127, -128) for name in names[:500]])
        if lab.kind == 'node':
            connection.ask('Metadata', topics=[{'name': name} for name in names], allow_auto_topic_creation=False)
            connection.ask('Fetch', max_wait_ms=0, topics=[{'topic_id': lab.topic_id, 'partitions': [
                {'partition': index, 'fetch_offset': 2 ** 62, 'partition_max_bytes': 2147483647}
                for index in range(-ABSENT, ABSENT)]}])
    with connect(lab) as connection:
        send(connection, known(lab))
        if not outcome(connection):
            raise Failure('no answer afterwards')


def sessions_without_end_are_bounded(lab):
    """Fetch sessions (KIP-227): max.incremental.fetch.session.cache.slots of them, whoever asks for more."""
    def make():
        with wire.Connection(lab.address, 30) as connection:
            for _ in range(100):
                connection.ask('Fetch', max_wait_ms=0, session_id=0, session_epoch=0, topics=[{
                    'topic_id': lab.topic_id, 'partitions': [{'partition': index, 'fetch_offset': 0,
                                                              'partition_max_bytes': 1} for index in range(100)]}])

    lab.note = f'; {100 * lab.repeat(make)} sessions'


def versions_asked_for_without_end(lab):
    data = request(API_VERSIONS, 0, b'') * 100

    def ask():
        with connect(lab) as connection:
            send(connection, data)
            outcome(connection)

    lab.repeat(ask)


def tests(kind):
    found = [(topic_names_that_look_like_paths_are_refused, FEW_MIB),
             (fields_with_tags_without_end_cost_nothing, FEW_MIB),
             (twenty_thousand_of_the_same_give_a_bounded_answer, LARGE_MIB),
             (too_many_partitions_and_topics_are_refused, LARGE_MIB),
             (requests_for_absent_things_get_errors, LARGE_MIB), (versions_asked_for_without_end, FEW_MIB)]
    if kind == 'node':
        found.append((sessions_without_end_are_bounded, 48))
    return found
