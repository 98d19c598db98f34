"""Members of a local cluster are killed again and again, as by a power cut of one machine.

Nodes: two idempotent producers write all the time, librdkafka and the Java client. Afterwards every record that was
acknowledged is at its offset, and no record is there twice. Controllers: one at a time, the active one every other
time; topics can be created as soon as there is a new leader, nothing is lost, and all members know the same topics.
"""
import collections
import os
import random
import subprocess
import time

import clients
import topics
import wire
from cluster import wait_until
from suite import BUILD, HERE, Failure, Skip, command, expect

PARTITIONS = 6
RATE = 1000  # records per second and producer
FLUSH_SECONDS = 240
READ_SECONDS = 600
ELECTION_SECONDS = 20
SETTLE_SECONDS = 30
FENCED_SECONDS = 11  # more than broker.session.timeout.ms
ROUNDS_SMALL, ROUNDS_FULL = 3, 30
LIMIT = 2000  # partitions in one answer of DescribeTopicPartitions


class Producer:
    def __init__(self, name, words, cluster, topic):
        self.name = name
        self.path = os.path.join(BUILD, f'acks-{topic}-{name}.txt')
        self.process = subprocess.Popen([*words, cluster.bootstrap, topic, str(PARTITIONS), str(RATE), name, self.path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)

    def stop(self):
        """Lets it deliver what it has. It must not have given up on any record."""
        try:
            output, _ = self.process.communicate('', timeout=FLUSH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f'{self.name} did not end within {FLUSH_SECONDS} s') from None
        print(f'    {self.name}: {output.strip()[-300:]}')
        expect(f'code of {self.name}', 0, self.process.returncode)

    def acknowledged(self):
        """(partition, offset, sequence) of each."""
        with open(self.path, encoding='utf-8') as file:
            return [tuple(map(int, line.split())) for line in file]


def check_records(producers, output):
    """`output`: lines of `PARTITION OFFSET PRODUCER SEQUENCE`."""
    stored = {}
    times = collections.Counter()
    last = {}
    for line in output.splitlines():
        partition, offset, name, sequence = line.split()
        stored[int(partition), int(offset)] = (name, int(sequence))
        times[name, int(sequence)] += 1
        if last.get((name, partition), -1) >= int(sequence):
            raise Failure(f'{name}: {sequence} after {last[name, partition]} in partition {partition}, offset {offset}')
        last[name, partition] = int(sequence)
    wrong = []
    total = 0
    for producer in producers:
        for partition, offset, sequence in producer.acknowledged():
            total += 1
            found = stored.get((partition, offset))
            if found != (producer.name, sequence):
                wrong.append(f'{producer.name} {sequence} was acknowledged at {partition}/{offset}; there is {found}')
    wrong += [f'{name} {sequence} is stored {count} times' for (name, sequence), count in times.items() if count > 1]
    print(f'    {total} acknowledged, {len(stored)} stored, {len(wrong)} wrong')
    if wrong:
        raise Failure('\n'.join(wrong[:6]) + f'\n{len(wrong)} in all')
    if total < 100:
        raise Failure(f'only {total} acknowledged: that proves nothing')


def start_producers(suite, topic):
    """Those whose toolchain is here; at least one."""
    script = os.path.join(HERE, 'clients', 'load_librdkafka.py')
    ways = (('librdkafka', lambda: [clients.venv_python(), '-B', script, 'produce']),
            ('java', lambda: clients.java('client') + ['Load']))
    found = []
    for name, find in ways:
        try:
            found.append((name, find()))
        except Skip as skip:
            print(f'    without {name}: {skip}')
    if not found:
        raise Skip('no producer')
    return [Producer(name, words, suite.cluster, topic) for name, words in found]


def kill_nodes(suite, rounds):
    cluster = suite.cluster
    cluster.needs_processes()
    topic = f'drill-nodes-{suite.tag}'
    topics.create(cluster, topic, PARTITIONS)
    chance = random.Random(suite.tag)
    producers = start_producers(suite, topic)
    try:
        nodes = cluster.members('node')
        for turn in range(rounds):
            time.sleep(chance.uniform(1.0, 2.5))
            node = nodes[turn % len(nodes)]
            cluster.kill('node', node)
            # Now and then long enough to be fenced.
            time.sleep(FENCED_SECONDS if turn % 5 == 2 else chance.uniform(0.0, 1.0))
            cluster.restart('node', node)
        time.sleep(1)
        for producer in producers:
            producer.stop()
    finally:
        for producer in producers:
            producer.process.kill()
            producer.process.wait()
    check_stored(cluster, topic, producers)
    for producer in producers:
        os.unlink(producer.path)


def check_stored(cluster, topic, producers):
    output = command([clients.venv_python(), '-B', os.path.join(HERE, 'clients', 'load_librdkafka.py'), 'read',
                      cluster.bootstrap, topic, str(PARTITIONS)], READ_SECONDS)
    check_records(producers, output)


def image(address):
    """All topics with ids, partitions, leaders, epochs, copies, as this member knows them."""
    found = []
    cursor = None
    with wire.Connection(address) as connection:
        while True:
            answer = connection.ask('DescribeTopicPartitions', topics=[], response_partition_limit=LIMIT, cursor=cursor)
            for topic in answer['topics']:
                found += [(topic['name'], topic['topic_id'], part['partition_index'], part['leader_id'],
                           part['leader_epoch'], tuple(part['replica_nodes']), tuple(part['isr_nodes']))
                          for part in topic['partitions']]
            cursor = answer['next_cursor']
            if cursor is None:
                return sorted(found)


def quorum_leader(cluster):
    """The active controller's id, from any controller that answers; None while there is none."""
    for address in cluster.controllers.split(','):
        try:
            with wire.Connection(address, 3) as connection:
                answer = connection.ask('DescribeQuorum', topics=[
                    {'topic_name': '__cluster_metadata', 'partitions': [{'partition_index': 0}]}])
                if answer['error_code'] == 0 and answer['topics'][0]['partitions'][0]['error_code'] == 0:
                    return answer['topics'][0]['partitions'][0]['leader_id']
        except (OSError, wire.Closed, Failure):
            continue
    return None


def create_soon(cluster, name):
    """Seconds until the topic could be created by way of a node, whose request goes to the active controller."""
    begin = time.monotonic()
    end = begin + ELECTION_SECONDS
    last = ''
    while time.monotonic() < end:
        try:
            with wire.Connection(topics.first(cluster.bootstrap), 5) as connection:
                answer = connection.ask('CreateTopics', topics=[{'name': name, 'num_partitions': 2,
                                                                 'replication_factor': 1}], timeout_ms=3000)
            got = answer['topics'][0]
            # 36, exists: an attempt whose answer did not come was carried out.
            if got['error_code'] in (0, 36):
                return time.monotonic() - begin
            last = f'error {got["error_code"]}: {got["error_message"]}'
        except (OSError, wire.Closed, Failure) as error:
            last = str(error)
        time.sleep(0.1)
    raise Failure(f'{name} could not be created within {ELECTION_SECONDS} s: {last}')


def images_agree(cluster, wanted):
    """The images of all members once they are equal; they have to hold these topics."""
    addresses = cluster.controllers.split(',') + cluster.bootstrap.split(',')
    images = {}

    def equal():
        for address in addresses:
            try:
                images[address] = image(address)
            except (OSError, wire.Closed) as error:
                # One that was just started.
                images[address] = [(str(error),)]
        return all(found == images[addresses[0]] for found in images.values())

    try:
        wait_until('equal images', SETTLE_SECONDS, equal)
    except Failure:
        first = set(images[addresses[0]])
        raise Failure('\n'.join(f'{address} differs from {addresses[0]} in {sorted(first ^ set(found))[:4]}'
                                for address, found in images.items() if set(found) != first)) from None
    names = {row[0] for row in images[addresses[0]]}
    missing = [name for name in wanted if name not in names]
    if missing:
        raise Failure(f'{len(missing)} of {len(wanted)} topics are lost: {missing[:5]}')
    return images[addresses[0]]


def kill_controllers(suite, rounds):
    cluster = suite.cluster
    cluster.needs_processes()
    controllers = cluster.members('controller')
    if len(controllers) < 3:
        raise Skip(f'{len(controllers)} controllers: none may be lost')
    created = []
    slowest = 0.0
    before = images_agree(cluster, created)
    for turn in range(rounds):
        leader = wait_until('an active controller', ELECTION_SECONDS, lambda: quorum_leader(cluster))
        others = [number for number in controllers if number != leader]
        victim = leader if turn % 2 == 0 else others[turn // 2 % len(others)]
        cluster.kill('controller', victim)
        name = f'drill-controllers-{suite.tag}-{turn}'
        slowest = max(slowest, create_soon(cluster, name))
        created.append(name)
        cluster.restart('controller', victim)
        after = images_agree(cluster, created)
        lost = [row for row in before if row[:3] not in {found[:3] for found in after}]
        expect('partitions that are gone', [], lost)
        before = after
    print(f'    {rounds} killed; the slowest operation after it took {slowest:.1f} s')
    topics.delete(cluster, *created)


def run(suite):
    rounds = int(os.environ.get('CONFORMANCE_ROUNDS', str(ROUNDS_FULL if suite.full else ROUNDS_SMALL)))
    suite.test(f'{rounds} times kill -9 of a node', kill_nodes, suite, rounds)
    suite.test(f'{rounds} times kill -9 of a controller', kill_controllers, suite, rounds)
