"""Disks that answer every call with an I/O error from one moment on, by way of clock_shim.c."""
import os
import time

import drills
import topics
import wire
from cluster import wait_until
from full_disk import STORAGE_ERROR, Writer, both_sides, by_itself, places
from processes import Cluster
from shim import SYNC, WRITE, Shim
from suite import Failure, expect
from trap_support import NONE

PARTITIONS = 8
SEEN_SECONDS = 10
EXIT_SECONDS = 10


class Node:
    """A cluster whose node has two log directories and a shim."""

    def __init__(self, suite, name):
        self.paths = [os.path.join(suite.directory, name, part) for part in ('one', 'two')]
        self.cluster = Cluster(suite, name, settings={'log.dirs': ','.join(self.paths)})
        self.node = self.cluster.nodes[0]
        self.shim = Shim(self.node)
        self.cluster.start()
        topics.create(self.cluster, 'dead', PARTITIONS)
        self.here, self.there = both_sides(self.cluster, 'dead', self.paths[0])
        self.writer = Writer(self.cluster, 'dead')
        for index in self.here + self.there:
            for _ in range(3):
                expect(f'error of {index} before', NONE, self.writer.produce(index))


def dies_alone(suite, kinds):
    made = Node(suite, f'dead-node-{kinds}')
    try:
        made.shim.fail(made.paths[0] + '/', kinds)
        expect('error of the write that meets the dead disk', STORAGE_ERROR, made.writer.produce(made.here[0]))
        wait_until('the directory to be offline', SEEN_SECONDS, lambda: made.node.says('log_directory_failed'))
        # All of it, not only the partition that met it; and for good: a disk that once lied is not asked again.
        made.shim.fail('', 0)
        for index in made.here:
            if made.writer.produce(index) not in (STORAGE_ERROR, 6, 3):
                raise Failure(f'{index} lies in the dead directory and takes records')
        for index in made.there:
            expect(f'error of {index} in the other directory', NONE, made.writer.produce(index))
            made.writer.check(index)
        errors = {path: error for path, (error, _) in places(made.cluster).items()}
        expect('errors of the directories', {made.paths[0]: STORAGE_ERROR, made.paths[1]: NONE}, errors)
        # New partitions go to the disk that works.
        topics.create(made.cluster, 'after')
        writer = Writer(made.cluster, 'after')
        expect('error of a new topic', NONE, writer.produce(0))
        if not made.node.runs():
            raise Failure('the node has ended')
        if len(made.node.says('log_directory_failed')) != 1 or len(made.node.lines()) > 200:
            raise Failure(f'{len(made.node.lines())} lines in the log')
        # With a new start, and a disk that works again, nothing that was acknowledged is missing.
        made.node.stop()
        made.node.start()
        made.cluster.wait_ready()
        again = Writer(made.cluster, 'dead')
        again.kept = made.writer.kept
        for index in made.here + made.there:
            by_itself(again, index, f'{index}, after a new start,')
            again.check(index)
    finally:
        made.cluster.stop()


def a_node_without_any_disk_ends(suite):
    made = Node(suite, 'dead-all')
    try:
        made.shim.fail(os.path.dirname(made.paths[0]) + '/')
        made.writer.produce(made.here[0])
        try:
            made.writer.produce(made.there[0])
        except (OSError, wire.Closed):
            pass
        if made.node.code(EXIT_SECONDS) == 0:
            raise Failure('it ended with code 0')
        if not made.node.says('all log directories have failed'):
            raise Failure(f'its last words: {made.node.lines()[-3:]}')
    finally:
        made.cluster.stop()


def a_controller_whose_disk_dies_ends_and_the_others_go_on(suite, kinds):
    cluster = Cluster(suite, f'dead-controller-{kinds}', controllers=3)
    shims = [Shim(server) for server in cluster.controller_servers]
    try:
        cluster.start()
        topics.create(cluster, 'before')
        number = wait_until('an active controller', 10, lambda: drills.quorum_leader(cluster))
        victim = cluster.controller_servers[number - 1]
        shims[number - 1].fail(victim.settings['metadata.log.dir'] + '/', kinds)
        begin = time.monotonic()
        drills.create_soon(cluster, 'meanwhile')
        print(f'    a topic could be made again after {time.monotonic() - begin:.1f} s')
        if victim.code(EXIT_SECONDS) == 0:
            raise Failure('it ended with code 0')
        if not victim.says('controller_failed'):
            raise Failure(f'its last words: {victim.lines()[-3:]}')
        print('    ' + victim.says('controller_failed')[-1][25:180])
        shims[number - 1].fail('', 0)
        victim.start()
        drills.images_agree(cluster, ['before', 'meanwhile'])
    finally:
        cluster.stop()


def run(suite):
    suite.test('a log directory whose writes fail goes offline, alone', dies_alone, suite, WRITE)
    suite.test('a log directory whose syncs fail goes offline, alone', dies_alone, suite, SYNC)
    suite.test('a node without any disk ends with a message', a_node_without_any_disk_ends, suite)
    suite.test('a controller whose writes fail ends, the others go on',
               a_controller_whose_disk_dies_ends_and_the_others_go_on, suite, WRITE)
    suite.test('a controller whose syncs fail ends, the others go on',
               a_controller_whose_disk_dies_ends_and_the_others_go_on, suite, SYNC)
