"""Traps of topics: names, configs, copies, records that go away."""
import time

import batch
import topics
import wire
from cluster import wait_until
from suite import Failure, expect
from trap_support import (INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_TOPIC, NONE,
                          OFFSET_OUT_OF_RANGE, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION, Topic)

RETENTION_SECONDS = 60
TOPIC_RESOURCE = 2
SET, DELETE = 0, 1
MEBIBYTE = 1 << 20
BAD_NAMES = ('', '.', '..', '../x', 'a/b', '/etc/passwd', 'a b', 'a\x00b', 'ü', 'x' * 250, 'a\nb', 'a:b')
BAD_CONFIGS = (('no.such.config', '1'), ('retention.ms', 'soon'), ('retention.ms', '-2'), ('segment.bytes', '0'),
               ('compression.type', 'brotli'), ('cleanup.policy', 'burn'), ('max.message.bytes', '-1'),
               ('min.insync.replicas', '0'), ('message.timestamp.type', 'NoTime'), ('flush.ms', 'x'))


def connect(suite):
    return wire.Connection(topics.first(suite.cluster.bootstrap))


def create_error(connection, name, partitions=1, replicas=1, configs=(), validate_only=False):
    answer = connection.ask('CreateTopics', topics=[{
        'name': name, 'num_partitions': partitions, 'replication_factor': replicas,
        'configs': [{'name': key, 'value': value} for key, value in configs]}], timeout_ms=20000,
        validate_only=validate_only)
    got = answer['topics'][0]
    return got['error_code'], got['error_message']


def names_like_paths_are_refused(suite):
    with connect(suite) as connection:
        for name in BAD_NAMES:
            code, text = create_error(connection, name)
            expect(f'error of {name[:20]!r}', INVALID_TOPIC, code)
            if not text:
                raise Failure(f'{name[:20]!r}: no error text')
            answer = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=True)
            expect(f'error of Metadata for {name[:20]!r}', INVALID_TOPIC, answer['topics'][0]['error_code'])


def unknown_and_wrong_configs_are_refused_at_create(suite):
    with connect(suite) as connection:
        for key, value in BAD_CONFIGS:
            name = f'config-{suite.tag}'
            code, text = create_error(connection, name, configs=((key, value),))
            expect(f'error of {key}={value}', INVALID_CONFIG, code)
            if key not in (text or ''):
                raise Failure(f'the error text for {key}={value} does not name it: {text!r}')
            answer = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)
            expect('topic after a refusal', UNKNOWN_TOPIC_OR_PARTITION, answer['topics'][0]['error_code'])


def alter(connection, name, key, value, operation=SET):
    answer = connection.ask('IncrementalAlterConfigs', resources=[{
        'resource_type': TOPIC_RESOURCE, 'resource_name': name,
        'configs': [{'name': key, 'config_operation': operation, 'value': value}]}])
    got = answer['responses'][0]
    return got['error_code'], got['error_message']


def config(connection, name, key):
    answer = connection.ask('DescribeConfigs', resources=[{
        'resource_type': TOPIC_RESOURCE, 'resource_name': name, 'configuration_keys': [key]}])
    return next((entry['value'] for entry in answer['results'][0]['configs'] if entry['name'] == key), None)


def unknown_and_wrong_configs_are_refused_at_alter(suite):
    with Topic(suite) as topic:
        for key, value in BAD_CONFIGS:
            code, text = alter(topic.connection, topic.name, key, value)
            expect(f'error of {key}={value}', INVALID_CONFIG, code)
            if key not in (text or ''):
                raise Failure(f'the error text for {key}={value} does not name it: {text!r}')


def configs_can_be_set_and_unset(suite):
    with Topic(suite) as topic:
        before = config(topic.connection, topic.name, 'retention.ms')
        expect('error of setting', (NONE, None), alter(topic.connection, topic.name, 'retention.ms', '12345678'))
        wait_until('the new value', 10, lambda: config(topic.connection, topic.name, 'retention.ms') == '12345678')
        expect('error of unsetting', NONE, alter(topic.connection, topic.name, 'retention.ms', None, DELETE)[0])
        wait_until('the old value', 10, lambda: config(topic.connection, topic.name, 'retention.ms') == before)


def altered_config_has_its_effect(suite):
    with Topic(suite) as topic:
        topic.append(batch.build([b'x' * 3000]))
        alter(topic.connection, topic.name, 'max.message.bytes', '2000')
        wait_until('3000 bytes to be refused', 10,
                   lambda: topic.produce(batch.build([b'x' * 3000]))['error_code'] != NONE)


def more_copies_than_offered_are_refused(suite):
    with connect(suite) as connection:
        for replicas in (2, 3, 100, 0, -5):
            code, text = create_error(connection, f'copies-{suite.tag}', replicas=replicas)
            expect(f'error of {replicas} copies', INVALID_REPLICATION_FACTOR, code)
            if not text:
                raise Failure(f'{replicas} copies: no error text')


def partition_counts_and_existing_topics_are_refused(suite):
    with Topic(suite) as topic:
        for count in (0, -3):
            expect(f'error of {count} partitions', INVALID_PARTITIONS,
                   create_error(topic.connection, f'count-{suite.tag}', partitions=count)[0])
        expect('error of an existing name', TOPIC_ALREADY_EXISTS, create_error(topic.connection, topic.name)[0])


def validate_only_creates_nothing(suite):
    with connect(suite) as connection:
        name = f'validate-{suite.tag}'
        expect('error', NONE, create_error(connection, name, validate_only=True)[0])
        time.sleep(0.5)
        answer = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)
        expect('topic', UNKNOWN_TOPIC_OR_PARTITION, answer['topics'][0]['error_code'])


def metadata_creates_topics_as_by_default(suite):
    with connect(suite) as connection:
        name = f'auto-{suite.tag}'
        connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=True)
        wait_until('the topic', 15, lambda: topics.ready(topics.first(suite.cluster.bootstrap), name, 1))


def delete_records_moves_the_start(suite):
    with Topic(suite) as topic:
        for i in range(10):
            topic.append(batch.build([b'%d' % i, b'x']))

        def delete(offset):
            answer = topic.connection.ask('DeleteRecords', timeout_ms=20000, topics=[{
                'name': topic.name, 'partitions': [{'partition_index': 0, 'offset': offset}]}])
            got = answer['topics'][0]['partitions'][0]
            return got['error_code'], got['low_watermark']

        expect('error and start', (NONE, 7), delete(7))
        expect('start', 7, topic.start())
        expect('error of reading before it', OFFSET_OUT_OF_RANGE, topic.fetch(3)['error_code'])
        expect('error of reading at it', NONE, topic.fetch(7)['error_code'])
        expect('error of an offset to come', OFFSET_OUT_OF_RANGE, delete(21)[0])
        expect('all of it', (NONE, 20), delete(-1))
        expect('start', 20, topic.start())
        expect('offset of the next record', 20, topic.append(batch.build([b'x'])))


def retention_by_size_deletes(suite):
    """Segments of the smallest size that Kafka takes; the cluster has to look at retention often."""
    with Topic(suite, configs={'segment.bytes': str(MEBIBYTE), 'retention.bytes': str(MEBIBYTE)}) as topic:
        data = batch.build([b'x' * 250000])
        for _ in range(16):
            topic.append(data)
        wait_until('the start to move', RETENTION_SECONDS, lambda: topic.start() > 0)
        expect('end', 16, topic.end())
        if topic.start() > 12:
            raise Failure(f'more than a segment was to stay, but the log starts at {topic.start()}')


def retention_by_time_deletes(suite):
    """What is too old by its own timestamps goes, the active segment too; what is young stays."""
    now = int(time.time() * 1000)
    with Topic(suite, partitions=2, configs={'retention.ms': '600000'}) as topic:
        topic.append(batch.build([b'old', b'older'], timestamp=now - 3600000))
        young = topic.connect(1)
        topic.append(batch.build([b'young'], timestamp=now), 1, young)
        wait_until('the old records to go', RETENTION_SECONDS, lambda: topic.start() == 2)
        expect('offset of the next record', 2, topic.append(batch.build([b'new'])))
        expect('records of the young partition', 1,
               len(list(batch.split(topic.fetch(0, 1, connection=young)['records']))))


TESTS = (
    names_like_paths_are_refused, unknown_and_wrong_configs_are_refused_at_create,
    unknown_and_wrong_configs_are_refused_at_alter, configs_can_be_set_and_unset, altered_config_has_its_effect,
    more_copies_than_offered_are_refused, partition_counts_and_existing_topics_are_refused,
    validate_only_creates_nothing, metadata_creates_topics_as_by_default, delete_records_moves_the_start,
    retention_by_size_deletes, retention_by_time_deletes,
)
