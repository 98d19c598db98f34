"""Topics and their partitions by the protocol itself, for all parts."""
import wire
from cluster import wait_until
from suite import Failure, expect

READY_SECONDS = 20


def first(addresses):
    return addresses.split(',')[0]


def create(cluster, name, partitions=1, replicas=1, configs=None, version=None):
    """Creates a topic and waits until every partition has a leader that all nodes know. Returns its id."""
    with wire.Connection(first(cluster.bootstrap)) as connection:
        answer = connection.ask('CreateTopics', version, topics=[{
            'name': name, 'num_partitions': partitions, 'replication_factor': replicas,
            'configs': [{'name': key, 'value': value} for key, value in (configs or {}).items()]}], timeout_ms=20000)
    got = answer['topics'][0]
    expect(f'error of creating {name} ({got.get("error_message")})', 0, got['error_code'])
    for address in cluster.bootstrap.split(','):
        wait_until(f'leaders of {name} at {address}', READY_SECONDS, lambda: ready(address, name, partitions))
    topic = describe(cluster, name)
    for partition in topic['partitions']:
        address = leader(cluster, name, partition['partition_index'])
        wait_until(f'{name} {partition["partition_index"]} at its leader', READY_SECONDS,
                   lambda: led(address, name, partition['partition_index']))
    return topic['topic_id']


def led(address, name, partition):
    """Whether this node knows that it leads the partition: it may hear of the topic before."""
    with wire.Connection(address) as connection:
        answer = connection.ask('ListOffsets', replica_id=-1, topics=[{
            'name': name, 'partitions': [{'partition_index': partition, 'timestamp': -1}]}])
    return answer['topics'][0]['partitions'][0]['error_code'] == 0


def ready(address, name, partitions):
    with wire.Connection(address) as connection:
        topic = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)['topics'][0]
    return topic['error_code'] == 0 and len(topic['partitions']) == partitions and \
        all(partition['error_code'] == 0 and partition['leader_id'] >= 0 for partition in topic['partitions'])


def describe(cluster, name):
    with wire.Connection(first(cluster.bootstrap)) as connection:
        return connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)['topics'][0]


def delete(cluster, *names):
    with wire.Connection(first(cluster.bootstrap)) as connection:
        answer = connection.ask('DeleteTopics', topics=[{'name': name} for name in names], timeout_ms=20000)
    for got in answer['responses']:
        expect(f'error of deleting {got["name"]} ({got["error_message"]})', 0, got['error_code'])


def leader(cluster, name, partition=0):
    """Address of the partition's leader."""
    with wire.Connection(first(cluster.bootstrap)) as connection:
        answer = connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)
    nodes = {node['node_id']: f'{node["host"]}:{node["port"]}' for node in answer['brokers']}
    for found in answer['topics'][0]['partitions']:
        if found['partition_index'] == partition and found['leader_id'] in nodes:
            return nodes[found['leader_id']]
    raise Failure(f'{name} {partition} has no leader: {answer["topics"][0]}')
