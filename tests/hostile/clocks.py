"""The wall clock jumps under running processes: an hour, ten years, to before 1980 and before 1970. Timeouts run by the
other clock, so nobody is fenced; times of records are what the wall clock says, but never negative."""
import time

import batch
import topics
import wire
from load import Load, max_timestamp
from processes import Cluster
from shim import Shim
from suite import Failure, expect
from trap_support import NONE

HOUR = 3600
YEAR = 365 * 24 * HOUR
INVALID_TIMESTAMP = 32
PARTITIONS = 2
WATCH_SMALL, WATCH_FULL = 2.0, 15.0


class Clocks:
    def __init__(self, suite):
        self.suite = suite
        self.seconds = 0
        self.jumps = 0
        # Sessions of three seconds: a clock that counted for them would fence within the watch.
        self.cluster = Cluster(suite, 'clocks', settings={'broker.heartbeat.interval.ms': 500,
                                                          'broker.session.timeout.ms': 3000},
                               controller_settings={'broker.session.timeout.ms': 3000})
        self.shims = [Shim(server) for server in self.cluster.servers]
        self.cluster.start()
        self.node, self.controller = self.cluster.nodes[0], self.cluster.controller_servers[0]
        self.created = Load(self.cluster, 'created', PARTITIONS, now_ms=self.now_ms).start()
        self.appended = Load(self.cluster, 'appended', PARTITIONS,
                             {'message.timestamp.type': 'LogAppendTime', 'retention.ms': '-1'}).start()
        self.kept = Load(self.cluster, 'kept', PARTITIONS, {'retention.ms': '-1'}, now_ms=self.now_ms).start()

    def now_ms(self):
        return int((time.time() + self.seconds) * 1000)

    def set(self, seconds):
        self.seconds = seconds
        for shim in self.shims:
            shim.set_clock(seconds)

    def fenced(self):
        return len(self.controller.says('fenced')) + len(self.node.says('fenced'))

    def jump(self, seconds):
        fenced = self.fenced()
        ids = [server.pid for server in self.cluster.servers]
        self.set(seconds)
        if self.suite.full:
            time.sleep(WATCH_FULL)
        # Three seconds of session and more: a jump that fenced would show.
        slowest = max(load.progress(10) for load in (self.created, self.appended, self.kept))
        time.sleep(WATCH_FULL if self.suite.full else WATCH_SMALL)
        slowest = max([slowest] + [load.progress(10) for load in (self.created, self.appended, self.kept)])
        for server, number in zip(self.cluster.servers, ids):
            if not server.runs() or server.pid != number:
                raise Failure(f'{server.name} ended: {server.lines()[-3:]}')
        expect('times that a node was fenced', fenced, self.fenced())
        self.jumps += 1
        topics.create(self.cluster, f'jump-{self.jumps}')
        newest = self.newest_time('appended')
        wanted = max(0, self.now_ms())
        if newest < 0 or abs(newest - wanted) > 20000:
            raise Failure(f'LogAppendTime is {newest}, the clock says {wanted}')
        print(f'    slowest record {slowest:.2f} s; LogAppendTime {newest}')

    def newest_time(self, topic):
        """The time of the newest batch."""
        with wire.Connection(self.node.address) as connection:
            answer = connection.ask('ListOffsets', replica_id=-1, topics=[{'name': topic, 'partitions': [
                {'partition_index': 0, 'timestamp': -1}]}])
            end = answer['topics'][0]['partitions'][0]['offset']
            answer = connection.ask('Fetch', max_wait_ms=0, max_bytes=1 << 20, topics=[{
                'topic_id': topics.describe(self.cluster, topic)['topic_id'], 'partitions': [{
                    'partition': 0, 'fetch_offset': end - 1, 'partition_max_bytes': 1 << 20}]}])
        data = [row[-1] for row in batch.split(answer['responses'][0]['partitions'][0]['records'])]
        return max_timestamp(data[-1])

    def start_of(self, topic):
        with wire.Connection(self.node.address) as connection:
            answer = connection.ask('ListOffsets', replica_id=-1, topics=[{'name': topic, 'partitions': [
                {'partition_index': 0, 'timestamp': -2}]}])
        return answer['topics'][0]['partitions'][0]['offset']

    def untouched(self):
        """Fresh records are there; topics without retention keep all in any case."""
        for topic in ('created', 'appended', 'kept'):
            expect(f'where {topic} begins', 0, self.start_of(topic))

    def an_hour(self, seconds):
        self.jump(seconds)
        self.untouched()

    def to_the_past(self, seconds):
        """Records from clients whose clocks are right are more than message.timestamp.after.max.ms ahead then."""
        self.jump(seconds)
        self.untouched()
        with wire.Connection(self.node.address) as connection:
            answer = connection.ask('Produce', acks=-1, timeout_ms=5000, topic_data=[{
                'topic_id': topics.describe(self.cluster, 'created')['topic_id'],
                'partition_data': [{'index': 0, 'records': batch.build([b'from the future'])}]}])
        expect('error of a record from the future', INVALID_TIMESTAMP,
               answer['responses'][0]['partition_responses'][0]['error_code'])

    def ten_years(self, seconds):
        """As in Kafka retention compares the wall clock with the times of records: with seven days all of it is old."""
        self.jump(seconds)
        for topic in ('appended', 'kept'):
            expect(f'where {topic} begins', 0, self.start_of(topic))
        print(f'    a topic with seven days of retention begins at {self.start_of("created")} now')

    def restart(self, seconds):
        self.set(seconds)
        self.node.stop()
        expect('exit code', 0, self.node.code())
        self.node.start()
        self.cluster.wait_ready()
        self.jump(seconds)

    def end(self):
        self.set(0)
        for load in (self.appended, self.kept, self.created):
            load.stop()
        for load in (self.appended, self.kept):
            print(f'    {load.topic}: {load.check()} records are there; {load.told()}')
        errors = [line for server in self.cluster.servers for line in server.lines() if 'level=error' in line]
        expect('error lines in the logs', [], errors)

    def stop(self):
        for load in (self.created, self.appended, self.kept):
            load.ending = load.hopeless = True
        self.cluster.stop()


def run(suite):
    clocks = Clocks(suite)
    try:
        now = time.time()
        suite.test('an hour forward: nobody is fenced, nothing is deleted', clocks.an_hour, HOUR)
        suite.test('an hour back: nobody is fenced, nothing is deleted', clocks.an_hour, -HOUR - 60)
        suite.test('to before 1980: records get such times, those from the future are refused', clocks.to_the_past,
                   -int(now - 5.5 * YEAR))
        suite.test('to before 1970: no time is negative', clocks.jump, -int(now + 5 * YEAR))
        suite.test('a node starts before 1980', clocks.restart, -int(now - 5.5 * YEAR))
        suite.test('ten years forward: retention goes by the wall clock, all else goes on', clocks.ten_years, 10 * YEAR)
        suite.test('back to the present: all is there, once and in order', clocks.end)
    finally:
        clocks.stop()
