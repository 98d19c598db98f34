"""Small file systems that fill up: one of a node's two log directories, and a controller's."""
import os
import subprocess
import time

import batch
import drills
import topics
import wire
from cluster import wait_until
from processes import Cluster
from suite import Failure, Skip, expect
from trap_support import EARLIEST, LATEST, NONE

STORAGE_ERROR = 56
RETRIABLE = (STORAGE_ERROR, 3, 6, 7)
DISK_MIB = 48
CONTROLLER_DISK_MIB = 160  # it wants 64 to begin with
PARTITIONS = 8
VALUE = os.urandom(96 << 10)
RESUME_SECONDS = 15
EXIT_SECONDS = 20


class SmallDisk:
    """A mounted file system of its own: ext4 in a file by way of a loop device, or tmpfs."""

    def __init__(self, suite, name, mebibytes=DISK_MIB):
        self.path = os.path.join(suite.directory, name)
        self.image = self.path + '.image'
        self.kind = None
        os.makedirs(self.path)
        with open(self.image, 'wb') as file:
            file.truncate(mebibytes << 20)
        ways = (('ext4 on a loop device', ['mkfs.ext4', '-q', '-m', '0', self.image],
                 ['mount', '-o', 'loop', self.image, self.path]),
                ('tmpfs', ['true'], ['mount', '-t', 'tmpfs', '-o', f'size={mebibytes}m', 'tmpfs', self.path]))
        problems = []
        for kind, make, mount in ways:
            try:
                for words in (make, mount):
                    subprocess.run(words, check=True, capture_output=True, text=True)
                self.kind = kind
                break
            except (OSError, subprocess.CalledProcessError) as error:
                problems.append(f'{kind}: {getattr(error, "stderr", "") or error}'.strip())
        if self.kind is None:
            raise Skip('no file system can be mounted here (CAP_SYS_ADMIN?): ' + '; '.join(problems))
        print(f'    {self.kind} of {mebibytes} MiB')

    def free(self):
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave=0):
        """A file of others takes the space. It is there until `make_room`."""
        with open(os.path.join(self.path, 'filler'), 'ab', buffering=0) as file:
            for size in (1 << 20, 64 << 10, 4 << 10, 1):
                try:
                    while self.free() > leave + size or leave == 0:
                        file.write(bytes(size))
                except OSError:
                    pass

    def make_room(self):
        os.unlink(os.path.join(self.path, 'filler'))

    def unmount(self):
        wait_until(f'{self.path} to be unused', 10, lambda: subprocess.run(
            ['umount', self.path], capture_output=True, check=False).returncode == 0)
        os.unlink(self.image)


class Writer:
    """Produces with acks=all to single partitions and remembers what was acknowledged."""

    def __init__(self, cluster, topic):
        self.connection = wire.Connection(cluster.nodes[0].address)
        self.topic = topic
        self.id = topics.describe(cluster, topic)['topic_id']
        self.kept = {}

    def produce(self, partition, value=b'small'):
        """The error."""
        answer = self.connection.ask('Produce', acks=-1, timeout_ms=10000, topic_data=[{
            'topic_id': self.id, 'partition_data': [{'index': partition, 'records': batch.build([value])}]}])
        got = answer['responses'][0]['partition_responses'][0]
        if got['error_code'] == NONE:
            self.kept.setdefault(partition, {})[got['base_offset']] = value
        return got['error_code']

    def offset(self, partition, which):
        answer = self.connection.ask('ListOffsets', replica_id=-1, topics=[{'name': self.topic, 'partitions': [
            {'partition_index': partition, 'timestamp': which}]}])
        got = answer['topics'][0]['partitions'][0]
        expect(f'error of the offsets of {partition}', NONE, got['error_code'])
        return got['offset']

    def read(self, partition):
        """{offset: batch} of all that is there."""
        at, end = self.offset(partition, EARLIEST), self.offset(partition, LATEST)
        found = {}
        while at < end:
            answer = self.connection.ask('Fetch', max_wait_ms=0, max_bytes=8 << 20, topics=[{
                'topic_id': self.id, 'partitions': [{'partition': partition, 'fetch_offset': at,
                                                     'partition_max_bytes': 8 << 20}]}])
            got = answer['responses'][0]['partitions'][0]
            expect(f'error of reading {partition} from {at}', NONE, got['error_code'])
            before = at
            for base, count, _, _, _, data in batch.split(got['records']):
                found[base] = data
                at = base + count
            if at == before:
                raise Failure(f'nothing comes from {partition} at {at}, the end is {end}')
        return found

    def check(self, partition):
        """All that was acknowledged and not deleted is there as it was, once."""
        start = self.offset(partition, EARLIEST)
        found = self.read(partition)
        for offset, value in self.kept.get(partition, {}).items():
            if offset >= start and value not in found.get(offset, b''):
                raise Failure(f'{partition}: {offset} was acknowledged and is not there')
        return len(found)


def places(cluster):
    """{directory: partitions} of the node."""
    with wire.Connection(cluster.nodes[0].address) as connection:
        answer = connection.ask('DescribeLogDirs', topics=None)
    found = {}
    for row in answer['results']:
        found[row['log_dir']] = (row['error_code'], {(topic['name'], part['partition_index']) for topic in row['topics']
                                                     for part in topic['partitions']})
    return found


def both_sides(cluster, topic, path):
    """Partitions of the topic in the directory below `path`, and elsewhere."""
    here, there = [], []
    for place, (_, parts) in places(cluster).items():
        (here if place.startswith(path) else there).extend(index for name, index in parts if name == topic)
    if not here or not there:
        raise Failure(f'all partitions are in one directory: {places(cluster)}')
    return sorted(here), sorted(there)


def two_directories(suite, name, first, **more):
    cluster = Cluster(suite, name, settings={'log.dirs': f'{first},{os.path.join(suite.directory, name, "other")}',
                                             'log.segment.bytes': 1 << 20, **more.pop('settings', {})}, **more)
    return cluster


def fill_by_producing(writer, partition):
    """Until it is refused; the error."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        error = writer.produce(partition, VALUE)
        if error != NONE:
            return error
    raise Failure('a full disk never refuses')


def one_directory_is_full(suite):
    disk = SmallDisk(suite, 'small')
    cluster = None
    try:
        cluster = two_directories(suite, 'full', os.path.join(disk.path, 'log')).start()
        node, controller = cluster.nodes[0], cluster.controller_servers[0]
        topics.create(cluster, 'full', PARTITIONS)
        here, there = both_sides(cluster, 'full', disk.path)
        writer = Writer(cluster, 'full')
        for index in here + there:
            for _ in range(12):
                expect(f'error of {index} before', NONE, writer.produce(index, VALUE))
        disk.fill(leave=4 << 20)
        error = fill_by_producing(writer, here[0])
        if error not in RETRIABLE:
            raise Failure(f'a full disk gives {error}, which is not retriable')
        disk.fill()
        expect('error of a full disk', STORAGE_ERROR, fill_by_producing(writer, here[0]))
        # Nothing else suffers.
        for _ in range(20):
            writer.produce(here[0], VALUE)
            expect('error in the other directory', NONE, writer.produce(there[0], VALUE))
        for index in here + there:
            writer.check(index)
        while_full(cluster, disk)
        if not node.runs() or not controller.runs():
            raise Failure('a process has ended')
        made_by_deleting(writer, here)
        if len(here) > 1:
            by_itself(writer, here[1], 'a partition that deleted nothing')
        disk.fill()
        fill_by_producing(writer, here[0])
        disk.make_room()
        for index in here:
            by_itself(writer, index, f'partition {index}, after the filler is gone,')
        with wire.Connection(node.address) as connection:
            late = topics.describe(cluster, 'late')
            del connection
        late_writer = Writer(cluster, 'late')
        for part in late['partitions']:
            by_itself(late_writer, part['partition_index'], 'a partition made while the disk was full')
        stored = sum(writer.check(index) for index in here + there)
        print(f'    {stored} batches, all that were acknowledged; log: {len(node.lines())} lines')
        expect('directories marked as failed', [], node.says('log_directory_failed'))
        if len(node.lines()) > 300:
            raise Failure(f'{len(node.lines())} lines in the log')
        # A restart finds the same.
        node.stop()
        expect('exit code', 0, node.code())
        node.start()
        cluster.wait_ready()
        again = Writer(cluster, 'full')
        again.kept = writer.kept
        for index in here + there:
            wait_until(f'{index} after the restart', 20, lambda: led(again, index))
            again.check(index)
    finally:
        if cluster:
            cluster.stop()
        disk.unmount()


def led(writer, partition):
    answer = writer.connection.ask('ListOffsets', replica_id=-1, topics=[{'name': writer.topic, 'partitions': [
        {'partition_index': partition, 'timestamp': LATEST}]}])
    return answer['topics'][0]['partitions'][0]['error_code'] == NONE


def while_full(cluster, disk):
    """Topics can be made and deleted."""
    with wire.Connection(cluster.nodes[0].address) as connection:
        for name in ('late', 'gone'):
            answer = connection.ask('CreateTopics', timeout_ms=10000, topics=[{
                'name': name, 'num_partitions': 4, 'replication_factor': 1}])
            expect(f'error of creating {name} while the disk is full', NONE, answer['topics'][0]['error_code'])
        answer = connection.ask('DeleteTopics', topics=[{'name': 'gone'}], timeout_ms=10000)
        expect('error of deleting a topic', NONE, answer['responses'][0]['error_code'])
    errors = [error for error, _ in places(cluster).values()]
    expect('errors of the directories', [0, 0], errors)
    del disk


def made_by_deleting(writer, here):
    """DeleteRecords makes room in the full directory: segments of a mebibyte go as a whole."""
    end = writer.offset(here[0], LATEST)
    answer = writer.connection.ask('DeleteRecords', timeout_ms=10000, topics=[{'name': writer.topic, 'partitions': [
        {'partition_index': here[0], 'offset': end}]}])
    got = answer['topics'][0]['partitions'][0]
    expect('error of deleting records on a full disk', NONE, got['error_code'])
    expect('where the log begins', end, got['low_watermark'])
    by_itself(writer, here[0], 'the partition whose records were deleted')


def by_itself(writer, partition, what):
    begin = time.monotonic()
    wait_until(f'{what} is written again', RESUME_SECONDS, lambda: writer.produce(partition) == NONE)
    print(f'    {what} is written again after {time.monotonic() - begin:.1f} s')


def a_controller_whose_disk_is_full_ends_and_loses_nothing(suite):
    disk = SmallDisk(suite, 'small-controller', CONTROLLER_DISK_MIB)
    cluster = None
    try:
        cluster = Cluster(suite, 'full-controller', controller_settings={
            'metadata.log.dir': os.path.join(disk.path, 'controller'),
            'metadata.log.max.record.bytes.between.snapshots': 1 << 20}).start()
        node, controller = cluster.nodes[0], cluster.controller_servers[0]
        topics.create(cluster, 'before')
        disk.fill()
        made = create_until_it_ends(cluster, controller)
        print(f'    {len(made)} topics were made before it ended')
        if controller.code(EXIT_SECONDS) == 0:
            raise Failure('it ended with code 0')
        said = controller.lines()[-3:]
        if not any('no space' in line.lower() or 'NO_SPACE' in line for line in said):
            raise Failure(f'its last words do not say why: {said}')
        print('    ' + said[-1][:160])
        # The node goes on with what it knows.
        writer = Writer(cluster, 'before')
        expect('error of produce without a controller', NONE, writer.produce(0))
        disk.make_room()
        controller.start()
        wait_until('the controller to know all topics', 30, lambda: knows(controller, made + ['before']))
        drills.create_soon(cluster, 'afterwards')
        if not node.runs():
            raise Failure('the node has ended')
    finally:
        if cluster:
            cluster.stop()
        disk.unmount()


def create_until_it_ends(cluster, controller):
    """Names of the topics whose creation was acknowledged."""
    made = []
    end = time.monotonic() + 60
    number = 0
    try:
        with wire.Connection(controller.address, 5) as connection:
            while time.monotonic() < end and controller.runs():
                number += 1
                answer = connection.ask('CreateTopics', timeout_ms=3000, topics=[{
                    'name': f'fill-{number}-' + 'x' * 200, 'num_partitions': 400, 'replication_factor': 1}])
                if answer['topics'][0]['error_code'] == NONE:
                    made.append(answer['topics'][0]['name'])
    except (OSError, wire.Closed, Failure) as error:
        print(f'    its connection: {type(error).__name__}')
    del cluster
    return made


def knows(controller, names):
    try:
        with wire.Connection(controller.address, 5) as connection:
            for name in names:
                answer = connection.ask('DescribeTopicPartitions', topics=[{'name': name}], response_partition_limit=1,
                                        cursor=None)
                if answer['topics'][0]['error_code'] != NONE:
                    return False
    except (OSError, wire.Closed, Failure):
        return False
    return True


def run(suite):
    suite.test('a full log directory refuses produce, and nothing else', one_directory_is_full, suite)
    suite.test('a controller whose disk is full ends, and loses nothing',
               a_controller_whose_disk_is_full_ends_and_loses_nothing, suite)
