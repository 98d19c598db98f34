"""Hostile peers at a node's and at a controller's port: frames (peers_frames), requests (peers_requests), batches
(peers_batches) and sheer numbers (peers_crowd). docs/limits.md states what each gets and which memory it may cost."""
import peers_batches
import peers_crowd
import peers_frames
import peers_requests
import topics
from lab import Lab
from processes import Cluster

TOPIC = 'neighbour'
# Small limits, so that what a peer can make a process hold shows within seconds.
IDLE_MS = 3000
FRAME_MAX = 8 << 20
QUEUED_MAX = 32 << 20
DECOMPRESSED_MAX = 16 << 20
SETTINGS = {'connections.max.idle.ms': IDLE_MS, 'socket.request.max.bytes': FRAME_MAX,
            'queued.max.request.bytes': QUEUED_MAX, 'max.decompressed.message.bytes': DECOMPRESSED_MAX}
CONTROLLER_SETTINGS = {key: SETTINGS[key] for key in ('connections.max.idle.ms', 'socket.request.max.bytes',
                                                     'queued.max.request.bytes')}


def attack(suite, cluster, server, topic, kind):
    lab = Lab(suite, cluster, server, topic, kind)
    try:
        for module in (peers_frames, peers_requests, peers_batches, peers_crowd):
            for test, memory_mib in module.tests(kind):
                lab.test(test, memory_mib)
    finally:
        lab.stop()


def crowd(suite):
    """Processes that may have few files open, and more clients than that."""
    limit = {'max.connections.per.ip': peers_crowd.PER_ADDRESS}
    cluster = Cluster(suite, 'crowd', settings=limit, controller_settings=limit, below=suite.memory)
    for server in cluster.servers:
        server.descriptors = peers_crowd.DESCRIPTORS
    cluster.start()
    topics.create(cluster, TOPIC)
    for server, topic, kind in ((cluster.nodes[0], TOPIC, 'node'), (cluster.controller_servers[0], '-', 'controller')):
        lab = Lab(suite, cluster, server, topic, kind)
        try:
            lab.test(peers_crowd.one_address_cannot_take_all_connections, peers_frames.FEW_MIB)
            lab.test(peers_crowd.more_clients_than_files_that_may_be_open, peers_frames.FEW_MIB)
        finally:
            lab.stop()
    cluster.stop()


def run(suite):
    cluster = Cluster(suite, 'peers', settings=SETTINGS, controller_settings=CONTROLLER_SETTINGS,
                      below=suite.memory).start()
    topics.create(cluster, TOPIC)
    attack(suite, cluster, cluster.nodes[0], TOPIC, 'node')
    attack(suite, cluster, cluster.controller_servers[0], '-', 'controller')
    cluster.stop()
    crowd(suite)
