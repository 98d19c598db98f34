"""Every client writes the same data with every codec, every client reads it: contents, keys, headers, timestamps and
order are compared by digests. clients/records.py describes the data."""
import os
from concurrent.futures import ThreadPoolExecutor

import clients
import records
import topics
from cluster import MILLRACE
from suite import BUILD, Failure, command, expect

CODECS = ('none', 'gzip', 'snappy', 'lz4', 'zstd')
# Size of a value, and how many records per codec: small scale, full scale. Five codecs make 20,000 and 40, or a million
# and 2,000, of every client.
SIZES = ((100, 4_000, 200_000), (900_000, 8, 400))
SECONDS_SMALL = 180
SECONDS_FULL = 3600
WRONG_SHOWN = 6
READERS_AT_ONCE = 2


class RoundTrip:
    def __init__(self, suite):
        self.suite = suite
        self.cluster = suite.cluster
        self.seconds = SECONDS_FULL if suite.full else SECONDS_SMALL
        self.seed = int(os.environ.get('CONFORMANCE_SEED', '1'))
        self.programs = {}
        self.files = {}
        self.expected = {}

    def prepare(self):
        for size, small, full in SIZES:
            path = os.path.join(BUILD, f'records-{self.suite.tag}-{size}.bin')
            records.write(path, records.generate(full if self.suite.full else small, size, self.seed))
            self.files[size] = path

    def wanted(self, producer, size):
        """PARTITION: (COUNT, CONTENT, TIMES) of what this producer can write."""
        view = producer if producer in ('kcat', 'kafka-python') else 'all'
        if (view, size) not in self.expected:
            lines = records.expected('T', records.view(view, records.read(self.files[size])))
            self.expected[view, size] = {line.split()[1]: line.split()[2:] for line in lines}
        return self.expected[view, size]

    def find(self, name):
        self.programs[name] = clients.find(name)
        print(f'    {name}: {command([*self.programs[name], "version"], 60).strip()}')

    def topic(self, producer, codec, size):
        return f'rt-{self.suite.tag}-{producer}-{codec}-{size}'

    def write(self, producer):
        for size, path in self.files.items():
            words = []
            for codec in CODECS:
                name = self.topic(producer, codec, size)
                topics.create(self.cluster, name, records.PARTITIONS, configs={'retention.ms': '-1'})
                words.append(f'{codec}={name}')
            command([*self.programs[producer], 'produce', self.cluster.bootstrap, path, *words], self.seconds)

    def read(self, producer, consumer, times):
        """`times`: (topic, partition) -> TIMES of the reader before, for a producer that writes its own."""
        names = {self.topic(producer, codec, size): (codec, size) for size in self.files for codec in CODECS}
        output = command([*self.programs[consumer], 'consume', self.cluster.bootstrap, *names], self.seconds)
        lines = [line.split() for line in output.splitlines()]
        expect('number of digests', len(names) * records.PARTITIONS, len(lines))
        wrong = []
        for name, partition, *got in lines:
            codec, size = names[name]
            wanted = list(self.wanted(producer, size)[partition])
            if producer == 'kcat':
                wanted[2] = times.setdefault((name, partition), got[2])
            for what, one, other in zip(('count', 'content', 'times'), wanted, got):
                if one != other:
                    wrong.append(f'{codec} {size} B, partition {partition}: {what}: expected {one}, got {other}')
        if wrong:
            more = [f'and {len(wrong) - WRONG_SHOWN} more'] if len(wrong) > WRONG_SHOWN else []
            raise Failure('\n'.join(wrong[:WRONG_SHOWN] + more))

    def pairs(self, producer):
        if not self.suite.test(f'{producer} writes', self.write, producer):
            return
        times = {}
        for size in self.files:
            self.wanted(producer, size)  # computed before the readers run side by side
        with ThreadPoolExecutor(READERS_AT_ONCE) as pool:
            for consumer in self.programs:
                pool.submit(self.suite.test, f'{producer} to {consumer}', self.read, producer, consumer, times)
        if self.suite.full:
            topics.delete(self.cluster, *(self.topic(producer, codec, SIZES[1][0]) for codec in CODECS))


def run(suite):
    os.environ['MILLRACE'] = MILLRACE
    trip = RoundTrip(suite)
    suite.cluster.start()
    trip.prepare()
    wanted = os.environ.get('CONFORMANCE_CLIENTS', '').split() or clients.NAMES
    for name in wanted:
        suite.test(f'client {name}', trip.find, name)
    try:
        for producer in list(trip.programs):
            trip.pairs(producer)
    finally:
        for path in trip.files.values():
            os.unlink(path)
