"""An idempotent producer that never gives up: one thread per partition, one record per batch, repeated with the same
sequence until it is acknowledged. Afterwards every record is there once, in order, where it was acknowledged."""
import re
import struct
import threading
import time

import batch
import topics
import wire
from cluster import wait_until
from suite import Failure, expect
from trap_support import NONE

DUPLICATE_SEQUENCE_NUMBER = 46
ANSWER_SECONDS = 3
GAP_SECONDS = 0.02
READ_SECONDS = 60
MARK = re.compile(rb'<(\d+)/(\d+)>')


class Line(threading.Thread):
    """One partition's."""

    def __init__(self, load, partition):
        super().__init__(daemon=True)
        self.load, self.partition = load, partition
        self.sequence = 0
        self.offsets = []  # of each sequence
        self.errors = {}
        self.slowest = 0.0
        self.refused = None
        self.connection = None

    def run(self):
        while not self.load.ending:
            self.put()
            time.sleep(GAP_SECONDS)

    def put(self):
        """One record, until it is acknowledged or the load is told to give up."""
        value = b'<%d/%d>' % (self.partition, self.sequence)
        begin = time.monotonic()
        while not self.load.hopeless:
            try:
                error, offset = self.once(value)
                if error in (NONE, DUPLICATE_SEQUENCE_NUMBER):
                    self.offsets.append(offset)
                    self.sequence += 1
                    self.slowest = max(self.slowest, time.monotonic() - begin)
                    return
                if error in (45, 47, 59):
                    self.refused = f'{self.partition}: error {error} for sequence {self.sequence}'
                    self.load.ending = True
                    return
                self.errors[error] = self.errors.get(error, 0) + 1
            except (OSError, wire.Closed, Failure) as problem:
                name = type(problem).__name__
                self.errors[name] = self.errors.get(name, 0) + 1
            self.forget()
            time.sleep(0.1)

    def forget(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def once(self, value):
        if self.connection is None:
            self.connection = wire.Connection(self.load.leader(self.partition), ANSWER_SECONDS)
        data = batch.build([value], timestamp=self.load.now_ms(), producer_id=self.load.producer_id, epoch=0,
                           sequence=self.sequence)
        answer = self.connection.ask('Produce', acks=-1, timeout_ms=ANSWER_SECONDS * 1000, topic_data=[{
            'topic_id': self.load.topic_id, 'partition_data': [{'index': self.partition, 'records': data}]}])
        got = answer['responses'][0]['partition_responses'][0]
        return got['error_code'], got['base_offset']


class Load:
    def __init__(self, cluster, topic, partitions, configs=None, now_ms=None):
        self.cluster, self.topic = cluster, topic
        self.now_ms = now_ms or (lambda: int(time.time() * 1000))
        self.topic_id = topics.create(cluster, topic, partitions, configs=configs)
        with wire.Connection(topics.first(cluster.bootstrap)) as connection:
            answer = connection.ask('InitProducerId', transactional_id=None, transaction_timeout_ms=60000)
        expect('error of InitProducerId', NONE, answer['error_code'])
        self.producer_id = answer['producer_id']
        self.ending = self.hopeless = False
        self.lines = [Line(self, index) for index in range(partitions)]

    def start(self):
        for line in self.lines:
            line.start()
        return self

    def leader(self, partition):
        """Asks any node that answers soon: one may be frozen."""
        for address in self.cluster.bootstrap.split(','):
            try:
                with wire.Connection(address, 1) as connection:
                    answer = connection.ask('Metadata', topics=[{'name': self.topic}], allow_auto_topic_creation=False)
                    nodes = {node['node_id']: f'{node["host"]}:{node["port"]}' for node in answer['brokers']}
                    for found in answer['topics'][0]['partitions']:
                        if found['partition_index'] == partition and found['leader_id'] in nodes:
                            return nodes[found['leader_id']]
            except (OSError, wire.Closed, Failure):
                continue
        raise Failure(f'{partition} has no leader now')

    def count(self):
        return sum(len(line.offsets) for line in self.lines)

    def progress(self, seconds=20, of=None):
        """Waits until every line has delivered another record; how long that took."""
        lines = self.lines if of is None else [self.lines[index] for index in of]
        begin = time.monotonic()
        before = [len(line.offsets) for line in lines]
        wait_until(f'every partition of {self.topic} to take records', seconds, lambda: all(
            len(line.offsets) > was for line, was in zip(lines, before)) or self.ending)
        self.check_refused()
        return time.monotonic() - begin

    def check_refused(self):
        for line in self.lines:
            if line.refused:
                raise Failure(line.refused)

    def stop(self, seconds=30):
        """Lets the last records be delivered."""
        self.ending = True
        for line in self.lines:
            line.join(seconds)
        hanging = [line.partition for line in self.lines if line.is_alive()]
        self.hopeless = True
        for line in self.lines:
            line.join(10)
            line.forget()
        self.check_refused()
        if hanging:
            raise Failure(f'partitions {hanging} of {self.topic} took nothing for {seconds} s')

    def check(self):
        """Nothing lost, nothing twice, all in order. How many records."""
        total = 0
        for line in self.lines:
            stored = self.read(line.partition)
            sequences = [sequence for _, sequence in stored]
            if sequences != sorted(set(sequences)):
                raise Failure(f'{self.topic} {line.partition}: twice, or not in order')
            places = dict((sequence, offset) for offset, sequence in stored)
            for sequence, offset in enumerate(line.offsets):
                # An answer to a repeated batch may not know the offset.
                if sequence not in places or offset not in (-1, places[sequence]):
                    raise Failure(f'{self.topic} {line.partition}: record {sequence} was acknowledged at {offset}, '
                                  f'it is at {places.get(sequence)}')
            total += len(line.offsets)
        if total < 10 * len(self.lines):
            raise Failure(f'only {total} records: that proves nothing')
        return total

    def read(self, partition):
        """[(offset, sequence)] of all that is there."""
        found = []
        at = 0
        with wire.Connection(self.leader(partition)) as connection:
            answer = connection.ask('ListOffsets', replica_id=-1, topics=[{'name': self.topic, 'partitions': [
                {'partition_index': partition, 'timestamp': -1}]}])
            end = answer['topics'][0]['partitions'][0]['offset']
            deadline = time.monotonic() + READ_SECONDS
            while at < end:
                if time.monotonic() > deadline:
                    raise Failure(f'{self.topic} {partition} cannot be read from {at} to {end}')
                answer = connection.ask('Fetch', max_wait_ms=100, max_bytes=8 << 20, topics=[{
                    'topic_id': self.topic_id, 'partitions': [{'partition': partition, 'fetch_offset': at,
                                                               'partition_max_bytes': 8 << 20}]}])
                got = answer['responses'][0]['partitions'][0]
                expect(f'error of reading {self.topic} {partition} at {at}', NONE, got['error_code'])
                for base, count, _, _, _, data in batch.split(got['records'] or b''):
                    mark = MARK.search(data)
                    if base >= at and mark:
                        found.append((base, int(mark.group(2))))
                    at = max(at, base + count)
        return found

    def told(self):
        """What went wrong on the way, for the report."""
        errors = {}
        for line in self.lines:
            for error, count in line.errors.items():
                errors[error] = errors.get(error, 0) + count
        slowest = max(line.slowest for line in self.lines)
        return f'{self.count()} records, slowest {slowest:.1f} s, repeated for {errors}'


def max_timestamp(data):
    return struct.unpack_from('>q', data, 35)[0]
