"""What the trap tests share: a topic of their own, and produce, fetch and ListOffsets of one partition."""
import itertools

import topics
import wire
from suite import Skip, expect

NONE = 0
OFFSET_OUT_OF_RANGE = 1
CORRUPT_MESSAGE = 2
UNKNOWN_TOPIC_OR_PARTITION = 3
NOT_LEADER_OR_FOLLOWER = 6
MESSAGE_TOO_LARGE = 10
INVALID_TOPIC = 17
INVALID_REQUIRED_ACKS = 21
INVALID_TIMESTAMP = 32
UNSUPPORTED_VERSION = 35
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REPLICATION_FACTOR = 38
INVALID_CONFIG = 40
INVALID_REQUEST = 42
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47
FETCH_SESSION_ID_NOT_FOUND = 70
INVALID_FETCH_SESSION_EPOCH = 71
UNKNOWN_LEADER_EPOCH = 75
UNSUPPORTED_COMPRESSION_TYPE = 76
INVALID_RECORD = 87
UNKNOWN_TOPIC_ID = 100
REBOOTSTRAP_REQUIRED = 129

EARLIEST, LATEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -2, -1, -3, -4, -5
LARGE = 50 << 20

numbers = itertools.count(1)


class Topic:
    """A fresh topic; requests go to the leader of partition 0 unless a connection is given."""

    def __init__(self, suite, partitions=1, configs=None):
        self.cluster = suite.cluster
        self.name = f'trap-{suite.tag}-{next(numbers)}'
        self.id = topics.create(self.cluster, self.name, partitions, configs=configs)
        self.connections = []
        self.connection = self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()

    def connect(self, partition=0):
        connection = wire.Connection(topics.leader(self.cluster, self.name, partition))
        self.connections.append(connection)
        return connection

    def partitions_of_one_leader(self, count):
        """So many partitions that one node leads, and a connection to it."""
        of = {}
        for partition in topics.describe(self.cluster, self.name)['partitions']:
            of.setdefault(partition['leader_id'], []).append(partition['partition_index'])
        found = next((indexes for indexes in of.values() if len(indexes) >= count), None)
        if found is None:
            raise Skip(f'no node leads {count} of the partitions: {of}')
        return found[:count], self.connect(found[0])

    def produce_request(self, batches, acks=-1):
        """Fields of a Produce request; `batches`: {partition: bytes}."""
        return {'acks': acks, 'timeout_ms': 20000, 'topic_data': [{
            'name': self.name, 'topic_id': self.id,
            'partition_data': [{'index': index, 'records': data} for index, data in batches.items()]}]}

    def produce(self, data, partition=0, version=None, connection=None):
        """The partition's part of the answer."""
        connection = connection or self.connection
        answer = connection.ask('Produce', version, **self.produce_request({partition: data}))
        return answer['responses'][0]['partition_responses'][0]

    def append(self, data, partition=0, connection=None):
        """The base offset; any error fails."""
        got = self.produce(data, partition, connection=connection)
        expect(f'error of producing ({got["error_message"]})', NONE, got['error_code'])
        return got['base_offset']

    def fetch_request(self, offsets, max_wait_ms=0, min_bytes=0, max_bytes=LARGE, partition_max_bytes=LARGE, **more):
        """Fields of a Fetch request; `offsets`: {partition: offset}."""
        fields = {'max_wait_ms': max_wait_ms, 'min_bytes': min_bytes, 'max_bytes': max_bytes, 'topics': [{
            'topic': self.name, 'topic_id': self.id, 'partitions': [
                {'partition': index, 'fetch_offset': offset, 'partition_max_bytes': partition_max_bytes}
                for index, offset in offsets.items()]}] if offsets else []}
        fields.update(more)
        return fields

    def fetch(self, offset, partition=0, version=None, connection=None, **more):
        """The partition's part of the answer."""
        connection = connection or self.connection
        answer = connection.ask('Fetch', version, **self.fetch_request({partition: offset}, **more))
        expect('error of the fetch', NONE, answer['error_code'])
        return answer['responses'][0]['partitions'][0]

    def offset(self, timestamp, partition=0, version=None):
        """(error, offset, timestamp) of ListOffsets."""
        answer = self.connection.ask('ListOffsets', version, replica_id=-1, topics=[{
            'name': self.name, 'partitions': [{'partition_index': partition, 'timestamp': timestamp}]}])
        got = answer['topics'][0]['partitions'][0]
        return got['error_code'], got['offset'], got['timestamp']

    def end(self, partition=0):
        return self.offset(LATEST, partition)[1]

    def start(self, partition=0):
        return self.offset(EARLIEST, partition)[1]

    def producer(self):
        """A producer id."""
        answer = self.connection.ask('InitProducerId', transactional_id=None, transaction_timeout_ms=60000)
        expect('error of InitProducerId', NONE, answer['error_code'])
        return answer['producer_id']


def offered(connection, name):
    """The newest version of this API that the server and the schemas have; Skip if it has none."""
    key = wire.MESSAGES[name + 'Request'].key
    for api in connection.ask('ApiVersions', 0)['api_keys']:
        if api['api_key'] == key:
            return min(api['max_version'], wire.newest(name))
    raise Skip(f'the server has no {name}')


def versions(connection, name):
    """All versions of this API that both sides have."""
    return range(wire.MESSAGES[name + 'Request'].versions[0], offered(connection, name) + 1)
