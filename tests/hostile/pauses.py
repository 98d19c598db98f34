"""Processes that are frozen (SIGSTOP) and go on as if nothing had been: a node, the active controller, another one.
An idempotent producer writes all the time."""
import signal
import time

import drills
from cluster import wait_until
from load import Load
from processes import Cluster
from suite import Failure, expect
import wire

PAUSES_SMALL, PAUSES_FULL = (1, 12), (1, 5, 15, 30)
SESSION_SECONDS = 9  # broker.session.timeout.ms
PARTITIONS = 4
SETTLE_SECONDS = 20


class Frozen:
    """Freezes servers for a while."""

    def __init__(self, *servers):
        self.servers = servers

    def __enter__(self):
        for server in self.servers:
            server.signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.signal(signal.SIGCONT)


class Pauses:
    def __init__(self, suite):
        self.cluster = Cluster(suite, 'pauses', controllers=3, nodes=2).start()
        self.load = Load(self.cluster, 'paused', PARTITIONS).start()
        self.made = ['paused']
        self.load.progress()

    def active(self):
        number = wait_until('an active controller', SETTLE_SECONDS, lambda: drills.quorum_leader(self.cluster))
        return self.cluster.controller_servers[number - 1]

    def create(self):
        name = f'during-{len(self.made)}'
        # One of the nodes may be frozen: by the last, which never is.
        seconds = create_at(self.cluster.nodes[-1].address, name)
        self.made.append(name)
        return seconds

    def recover(self):
        """What has to be true soon after everybody runs again."""
        taken = self.load.progress(SETTLE_SECONDS)
        drills.images_agree(self.cluster, self.made)
        self.create()
        for server in self.cluster.servers:
            if not server.runs():
                raise Failure(f'{server.name} ended: {server.lines()[-3:]}')
        print(f'    all partitions take records {taken:.1f} s after it goes on')

    def node(self, seconds):
        self.freeze_node_and(seconds)

    def freeze_node_and(self, seconds, *others):
        node = self.cluster.nodes[0]
        with Frozen(node, *others):
            time.sleep(seconds)
            alive = live_nodes(self.cluster.nodes[-1].address)
        # The session runs out after nine seconds, not before.
        expect('nodes that are alive at its end', 1 if seconds > SESSION_SECONDS + 1 else 2, alive)
        self.recover()
        wait_until('both nodes to be alive', SETTLE_SECONDS, lambda: live_nodes(node.address) == 2)

    def active_controller(self, seconds):
        victim = self.active()
        with Frozen(victim):
            begin = time.monotonic()
            took = self.create()
            time.sleep(max(0.0, seconds - (time.monotonic() - begin)))
            if seconds > 3:
                # Whoever is frozen leads no more, and nobody was fenced because of it.
                if self.active() is victim:
                    raise Failure('the frozen controller still counts as the active one')
                expect('nodes that are alive', 2, live_nodes(self.cluster.nodes[-1].address))
        print(f'    a topic could be made after {took:.1f} s')
        self.recover()
        expect('nodes that are alive', 2, live_nodes(self.cluster.nodes[-1].address))

    def other_controller(self, seconds):
        active = self.active()
        victim = next(server for server in self.cluster.controller_servers if server is not active)
        with Frozen(victim):
            took = self.create()
            time.sleep(seconds)
            expect('the active controller', active.name, self.active().name)
        if took > 5:
            raise Failure(f'a topic took {took:.1f} s although two of three controllers run')
        self.recover()

    def node_and_other_controller(self, seconds):
        """Two things that have nothing to do with each other, to save time."""
        active = self.active()
        victim = next(server for server in self.cluster.controller_servers if server is not active)
        self.freeze_node_and(seconds, victim)

    def end(self):
        self.load.stop()
        told = self.load.told()
        print(f'    {self.load.check()} records are there, once and in order; {told}')

    def stop(self):
        self.load.ending = self.load.hopeless = True
        self.cluster.stop()


def live_nodes(address):
    with wire.Connection(address, 5) as connection:
        return len(connection.ask('Metadata', topics=[])['brokers'])


def create_at(address, name):
    """Seconds until the topic could be made by way of this node."""
    class At:  # the part of a cluster that create_soon wants
        bootstrap = address
    return drills.create_soon(At, name)


def run(suite):
    pauses = Pauses(suite)
    try:
        for seconds in PAUSES_FULL if suite.full else PAUSES_SMALL:
            if suite.full:
                suite.test(f'a node frozen for {seconds} s', pauses.node, seconds)
                suite.test(f'a following controller frozen for {seconds} s', pauses.other_controller, seconds)
            else:
                suite.test(f'a node and a following controller frozen for {seconds} s',
                           pauses.node_and_other_controller, seconds)
            suite.test(f'the active controller frozen for {seconds} s', pauses.active_controller, seconds)
        suite.test('nothing was lost, nothing is there twice', pauses.end)
    finally:
        pauses.stop()
