"""Kafka's own command-line tools do their jobs: what they print is held against what was asked for. A change is looked
for until it shows: nodes follow the metadata log a little behind."""
import json
import os
import re

import batch
import clients
import topics
import wire
from cluster import wait_until
from suite import BUILD, Failure, expect, expect_in

TOPIC = 'org.apache.kafka.tools.TopicCommand'
CONFIG = 'kafka.admin.ConfigCommand'
OFFSETS = 'org.apache.kafka.tools.GetOffsetShell'
DELETE_RECORDS = 'org.apache.kafka.tools.DeleteRecordsCommand'
LOG_DIRS = 'org.apache.kafka.tools.LogDirsCommand'
CLUSTER = 'org.apache.kafka.tools.ClusterTool'
QUORUM = 'org.apache.kafka.tools.MetadataQuorumCommand'
API_VERSIONS = 'org.apache.kafka.tools.BrokerApiVersionsCommand'
SHOWS_SECONDS = 15
BASE_TIME_MS = 1_760_000_000_000


class Tools:
    def __init__(self, suite):
        self.suite = suite
        self.cluster = suite.cluster
        self.server = ('--bootstrap-server', suite.cluster.bootstrap)
        self.controller = ('--bootstrap-controller', suite.cluster.controllers)
        self.runner = clients.ToolRunner()
        self.name = f'tools-{suite.tag}'

    def run(self, tool, *words):
        """What the tool printed; it has to end with 0."""
        code, output = self.runner.run(tool, *words)
        if code != 0:
            raise Failure(f'{tool} {" ".join(words)} ended with {code}: {output[:2000]}')
        return output

    def refused(self, tool, *words):
        code, output = self.runner.run(tool, *words)
        if code == 0:
            raise Failure(f'{tool} {" ".join(words)} ended with 0: {output[:2000]}')
        return output

    def shows(self, text, tool, *words):
        """Runs the tool until its output has the text, which is a regular expression."""
        last = ['']

        def look():
            last[0] = self.run(tool, *words)
            return re.search(text, last[0])

        try:
            wait_until(text, SHOWS_SECONDS, look)
        except Failure:
            raise Failure(f'{tool} {" ".join(words)}: expected {text!r}, got {last[0][:2000]}') from None
        return last[0]

    def topic_command(self):
        name = self.name
        output = self.run(TOPIC, *self.server, '--create', '--topic', name, '--partitions', '2', '--config',
                          'retention.ms=86400000')
        expect_in('output', f'Created topic {name}.', output)
        expect_in('creating it again', 'already exists',
                  self.refused(TOPIC, *self.server, '--create', '--topic', name, '--partitions', '2'))
        self.run(TOPIC, *self.server, '--create', '--if-not-exists', '--topic', name)
        self.shows(f'(?m)^{name}$', TOPIC, *self.server, '--list')
        output = self.shows('PartitionCount: 2', TOPIC, *self.server, '--describe', '--topic', name)
        for part in ('ReplicationFactor: 1', 'retention.ms=86400000', 'Partition: 0\tLeader: ',
                     'Partition: 1\tLeader: ', 'TopicId: '):
            expect_in('description', part, output)
        self.run(TOPIC, *self.server, '--alter', '--topic', name, '--partitions', '4')
        self.shows('PartitionCount: 4', TOPIC, *self.server, '--describe', '--topic', name)
        expect_in('fewer partitions', 'partition', self.refused(TOPIC, *self.server, '--alter', '--topic', name,
                                                                '--partitions', '3').lower())
        expect_in('an unknown config', 'no.such', self.refused(TOPIC, *self.server, '--create', '--topic', name + '-x',
                                                               '--config', 'no.such=1'))
        expect_in('two copies', 'eplication', self.refused(TOPIC, *self.server, '--create', '--topic', name + '-x',
                                                           '--replication-factor', '2'))

    def topic_delete(self):
        self.run(TOPIC, *self.server, '--delete', '--topic', self.name)
        wait_until('the topic to go', SHOWS_SECONDS,
                   lambda: self.name not in self.run(TOPIC, *self.server, '--list').split())
        expect_in('deleting it again', 'does not exist',
                  self.refused(TOPIC, *self.server, '--delete', '--topic', self.name))

    def config_of_a_topic(self):
        entity = ('--entity-type', 'topics', '--entity-name', self.name)
        for place in (self.server, self.controller):
            self.run(CONFIG, *place, '--alter', *entity, '--add-config', 'max.message.bytes=5000,segment.bytes=2097152')
            # By way of the controllers the tool changes topics, but cannot describe them, Kafka's own included.
            self.shows('max.message.bytes=5000 .*DYNAMIC_TOPIC_CONFIG:max.message.bytes=5000', CONFIG, *self.server,
                       '--describe', *entity)
            self.run(CONFIG, *place, '--alter', *entity, '--delete-config', 'max.message.bytes')
            wait_until('the config to go', SHOWS_SECONDS, lambda: 'max.message.bytes' not in self.run(
                CONFIG, *self.server, '--describe', *entity))
        expect_in('an unknown key', 'no.such',
                  self.refused(CONFIG, *self.server, '--alter', *entity, '--add-config', 'no.such=1'))
        output = self.run(CONFIG, *self.server, '--describe', *entity, '--all')
        for part in ('max.message.bytes=1048588', 'compression.type=producer', 'segment.bytes=2097152'):
            expect_in('all configs', part, output)

    def config_of_brokers(self):
        for entity in (('--entity-type', 'brokers', '--entity-default'),
                       ('--entity-type', 'brokers', '--entity-name', '1')):
            self.run(CONFIG, *self.server, '--alter', *entity, '--add-config', 'message.max.bytes=1500000')
            for where in (self.server, self.controller) if '--entity-default' in entity else (self.server,):
                self.shows('message.max.bytes=1500000', CONFIG, *where, '--describe', *entity)
            self.run(CONFIG, *self.server, '--alter', *entity, '--delete-config', 'message.max.bytes')
            wait_until('the config to go', SHOWS_SECONDS, lambda words=entity: 'message.max.bytes=1500000' not in
                       self.run(CONFIG, *self.server, '--describe', *words))
        output = self.run(CONFIG, *self.server, '--describe', '--entity-type', 'brokers', '--entity-name', '1', '--all')
        expect_in('all configs', 'advertised.listeners=PLAINTEXT://', output)

    def fill(self):
        """Ten records into partitions 0 and 1, a second apart."""
        for partition in (0, 1):
            with wire.Connection(topics.leader(self.cluster, self.name, partition)) as connection:
                for i in range(10):
                    data = batch.build([b'%d' % i], timestamp=BASE_TIME_MS + 1000 * i)
                    answer = connection.ask('Produce', 9, acks=-1, timeout_ms=10000, topic_data=[{
                        'name': self.name, 'partition_data': [{'index': partition, 'records': data}]}])
                    expect('error', 0, answer['responses'][0]['partition_responses'][0]['error_code'])

    def get_offset_shell(self):
        self.run(CONFIG, *self.server, '--alter', '--entity-type', 'topics', '--entity-name', self.name, '--add-config',
                 'retention.ms=-1')
        self.shows('retention.ms=-1', CONFIG, *self.server, '--describe', '--entity-type', 'topics', '--entity-name',
                   self.name)
        self.fill()

        def offsets(time):
            output = self.run(OFFSETS, *self.server, '--topic', self.name, '--time', time)
            return {line.split(':')[1]: line.split(':')[2] for line in output.split() if line.startswith(self.name)}

        for time, wanted, empty in (('latest', '10', '0'), ('-1', '10', '0'), ('earliest', '0', '0'),
                                    ('max-timestamp', '9', None), (str(BASE_TIME_MS + 2500), '3', None),
                                    (str(BASE_TIME_MS), '0', None), ('earliest-local', '0', '0')):
            expected = {'0': wanted, '1': wanted}
            if empty is not None:
                expected.update({'2': empty, '3': empty})
            expect(f'offsets at {time}', expected, offsets(time))

    def delete_records(self):
        path = f'{BUILD}/delete-records-{self.suite.tag}.json'
        with open(path, 'w', encoding='utf-8') as file:
            json.dump({'version': 1, 'partitions': [{'topic': self.name, 'partition': 0, 'offset': 4}]}, file)
        try:
            output = self.run(DELETE_RECORDS, *self.server, '--offset-json-file', path)
        finally:
            os.unlink(path)
        expect_in('output', 'low_watermark: 4', output)
        expect_in('earliest', f'{self.name}:0:4',
                  self.run(OFFSETS, *self.server, '--topic', self.name, '--time', 'earliest'))

    def log_dirs(self):
        output = self.run(LOG_DIRS, *self.server, '--describe', '--topic-list', self.name)
        found = json.loads(next(line for line in output.splitlines() if line.startswith('{')))
        sizes = {}
        for broker in found['brokers']:
            for folder in broker['logDirs']:
                expect(f'error of {folder["logDir"]}', None, folder['error'])
                sizes.update({part['partition']: part['size'] for part in folder['partitions']})
        expect('partitions', {f'{self.name}-{i}' for i in range(4)}, set(sizes))
        if sizes[f'{self.name}-1'] <= 0:
            raise Failure(f'size of a partition with records: {sizes}')

    def cluster_tool(self):
        found = {self.run(CLUSTER, 'cluster-id', *where).strip() for where in (self.server, self.controller)}
        expect('different answers', 1, len(found))
        if not re.fullmatch(r'Cluster ID: [A-Za-z0-9_-]{22}', found.pop()):
            raise Failure('no cluster id')
        for where, addresses, kind in ((self.server, self.cluster.bootstrap, 'broker'),
                                       (self.controller, self.cluster.controllers, 'controller')):
            output = self.run(CLUSTER, 'list-endpoints', *where)
            for address in addresses.split(','):
                if not re.search(rf'\s{address.rsplit(":", 1)[1]}\s.*{kind}', output):
                    raise Failure(f'no {kind} at {address} in {output}')

    def metadata_quorum(self):
        voters = len(self.cluster.controllers.split(','))
        for where in (self.server, self.controller):
            output = self.run(QUORUM, *where, 'describe', '--status')
            for pattern in (r'ClusterId: +\S{22}', r'LeaderId: +\d+', r'LeaderEpoch: +\d+', r'HighWatermark: +\d+'):
                if not re.search(pattern, output):
                    raise Failure(f'expected {pattern!r} in {output}')
            line = next(line for line in output.splitlines() if line.startswith('CurrentVoters:'))
            expect('voters', voters, len(json.loads(line.split(':', 1)[1])))
            output = self.run(QUORUM, *where, 'describe', '--replication')
            states = [line.split()[-1] for line in output.splitlines()[1:] if line.strip()]
            expect('leaders', 1, states.count('Leader'))
            expect('followers', voters - 1, states.count('Follower'))

    def broker_api_versions(self):
        output = self.run(API_VERSIONS, *self.server)
        for address in self.cluster.bootstrap.split(','):
            expect_in('nodes', ':' + address.rsplit(':', 1)[1] + ' (id: ', output)
        for part in ('Produce(0): 0 to 13 [usable: 13]', 'Fetch(1): 4 to 18 [usable: 18]',
                     'Metadata(3): 0 to 13 [usable: 13]', 'DescribeTopicPartitions(75): 0 [usable: 0]'):
            expect_in('versions', part, output)


def run(suite):
    suite.cluster.start()
    tools = Tools(suite)
    try:
        for test in (tools.topic_command, tools.config_of_a_topic, tools.config_of_brokers, tools.get_offset_shell,
                     tools.delete_records, tools.log_dirs, tools.cluster_tool, tools.metadata_quorum,
                     tools.broker_api_versions, tools.topic_delete):
            suite.test(test.__name__, test)
    finally:
        tools.runner.stop()
