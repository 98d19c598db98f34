"""Peers by number and by patience: thousands that say nothing, as many as can connect, readers that never read."""
import os
import resource
import select
import socket
import struct
import time

import batch
import wire
from peers_batches import Target
from peers_frames import API_VERSIONS, DESCRIBE_CLUSTER, FEW_MIB, IDLE_SECONDS, connect, known, outcome, request
from cluster import wait_until
from suite import Failure, expect

IDLE_WANTED = 10000
DESCRIPTORS_SPARE = 200
PER_IDLE = 2048  # bytes that a process of ours keeps of a connection that says nothing
SECONDS_SMALL, SECONDS_FULL = 1.0, 5.0
STORM_SMALL, STORM_FULL = 5.0, 20.0
DESCRIPTORS = 600
PER_ADDRESS = 100  # max.connections.per.ip of that cluster
READERS = 16
PARKED = 100
UNSENT_MIB = 1  # of answers that a client does not take, per connection, and the answer that went over it
VALUE = b'v' * (512 << 10)


def ten_thousand_idle_connections_are_kept_and_closed_in_time(lab):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Ours and the server's: each has a limit of its own, but the server keeps a part of it for files.
    count = min(IDLE_WANTED, hard // 2 - DESCRIPTORS_SPARE)
    connections = []
    begin = time.monotonic()
    early = 0
    try:
        while len(connections) < count:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(('127.0.0.1', lab.port))
            connections.append(connection)
            if len(connections) % 500 == 0:
                time.sleep(0.02)
        opened = time.monotonic() - begin
        poll = select.epoll()
        for connection in connections:
            poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP)
        closed = 0
        end = time.monotonic() + IDLE_SECONDS + 3
        while closed < count and time.monotonic() < end:
            for number, _ in poll.poll(0.2):
                poll.unregister(number)
                closed += 1
            if time.monotonic() - begin < IDLE_SECONDS - 1:
                early = closed
        poll.close()
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    lab.note = f'; {count} connections opened in {opened:.1f} s, {early} refused, all closed after ' \
               f'{time.monotonic() - begin:.1f} s'
    expect('connections that are still open', 0, count - closed)
    expect('connections closed before their time', 0, early)


def more_clients_than_files_that_may_be_open(lab):
    """Whoever comes too late is refused; logs can still be created, and later clients get their turn."""
    connections = []
    try:
        for index in range(DESCRIPTORS + 100):
            # From many addresses, so that no limit for one of them helps.
            connections.append(connect(lab, f'127.0.1.{1 + index % 100}'))
        refused = refused_of(connections)
        open_now = len(os.listdir(f'/proc/{lab.server.pid}/fd'))
        if lab.kind == 'node':
            # Over a connection that was there before, by way of the controller: sixteen logs.
            answer = lab.connection.ask('CreateTopics', topics=[{'name': f'late-{open_now}', 'num_partitions': 16,
                                                                 'replication_factor': 1}], timeout_ms=10000)
            expect('error of creating a topic meanwhile', 0, answer['topics'][0]['error_code'])
            found = describe_at(lab, f'late-{open_now}')
            for index in range(16):
                wait_until(f'produce to partition {index}', 10, lambda: produced(lab, found, index))
    finally:
        for connection in connections:
            connection.close()
    lab.note = f'; {refused} of {len(connections)} refused, {open_now} files open of {DESCRIPTORS}'
    if refused < 100:
        raise Failure(f'only {refused} of {len(connections)} were refused')
    wait_until('another client', 10, lambda: answers(lab))


def one_address_cannot_take_all_connections(lab):
    connections = []
    try:
        for _ in range(2 * PER_ADDRESS):
            connections.append(connect(lab, '127.0.0.2'))
        refused = refused_of(connections)
        with connect(lab) as connection:
            connection.sendall(known(lab))
            if not outcome(connection):
                raise Failure('another address is not answered')
    finally:
        for connection in connections:
            connection.close()
    lab.note = f'; {refused} of {len(connections)} refused'
    expect('refused', PER_ADDRESS, refused)


def refused_of(connections):
    """How many are closed after a moment."""
    refused = 0
    time.sleep(0.3)
    for connection in connections:
        connection.setblocking(False)
        try:
            refused += connection.recv(1) == b''
        except BlockingIOError:
            pass
        except OSError:
            refused += 1
    return refused


def answers(lab):
    with connect(lab) as connection:
        connection.sendall(known(lab))
        return outcome(connection)


def describe_at(lab, name):
    def found():
        topic = lab.connection.ask('Metadata', topics=[{'name': name}], allow_auto_topic_creation=False)['topics'][0]
        return topic if topic['error_code'] == 0 else None
    return wait_until(f'{name} at the node', 10, found)


def produced(lab, topic, index):
    answer = lab.connection.ask('Produce', acks=-1, timeout_ms=10000, topic_data=[{
        'topic_id': topic['topic_id'], 'partition_data': [{'index': index, 'records': batch.build([b'late'])}]}])
    return answer['responses'][0]['partition_responses'][0]['error_code'] == 0


def a_storm_of_connections_harms_nobody(lab):
    whole = known(lab)
    answered = [0]

    def burst():
        connections = [socket.socket() for _ in range(50)]
        for connection in connections:
            connection.setblocking(False)
            connection.connect_ex(('127.0.0.1', lab.port))
        for index, connection in enumerate(connections):
            if index % 10 == 0:
                connection.setblocking(True)
                connection.settimeout(10)
                connection.sendall(whole)
                answered[0] += bool(connection.recv(100))
            connection.close()

    count = lab.repeat(burst, STORM_FULL if lab.suite.full else STORM_SMALL)
    lab.note = f'; {50 * count} connections, {answered[0]} of {5 * count} that asked were answered'
    expect('unanswered', 5 * count, answered[0])


def readers_that_never_read_cost_a_bounded_amount(lab):
    """Each asks for fifty megabytes, two hundred times, and takes nothing."""
    with Target(lab) as topic:
        for _ in range(24):
            got = topic.connection.ask('Produce', acks=1, timeout_ms=10000, topic_data=[{
                'name': topic.name, 'topic_id': topic.id,
                'partition_data': [{'index': 0, 'records': large_batch()}]}])
            expect('error of produce', 0, got['responses'][0]['partition_responses'][0]['error_code'])
        readers = []
        try:
            for _ in range(READERS):
                reader = wire.Connection(lab.address)
                readers.append(reader)
                reader.socket.settimeout(0.2)
                try:
                    for _ in range(200):
                        reader.send('Fetch', wire.newest('Fetch'), **topic.fetch_request({0: 0}))
                except socket.timeout:
                    pass
            time.sleep(1.0)
            lab.note = f'; {len(os.listdir(f"/proc/{lab.server.pid}/fd"))} descriptors'
        finally:
            for reader in readers:
                reader.close()


LARGE = []


def large_batch():
    """Half a megabyte; the checksum in Python takes its time, so once."""
    if not LARGE:
        LARGE.append(batch.build([VALUE]))
    return LARGE[0]


def requests_without_end_whose_answers_nobody_reads(lab):
    kinds = [request(API_VERSIONS, 0, b''), known(lab)]
    if lab.kind == 'node':
        kinds.append(request(3, 1, struct.pack('>i', -1)))  # Metadata of everything
    else:
        kinds.append(request(DESCRIBE_CLUSTER, 0, b'\0\0', True))
    connections = [connect(lab) for _ in range(READERS)]
    sent = 0
    begin = time.monotonic()
    end = begin + (10.0 if lab.suite.full else 2.0)
    for connection in connections:
        connection.setblocking(False)
    data = [kinds[index % len(kinds)] * 500 for index in range(READERS)]
    at = [0] * READERS
    while time.monotonic() < end:
        for index, connection in enumerate(connections):
            try:
                step = connection.send(data[index][at[index]:])
                at[index] = (at[index] + step) % len(data[index])
                sent += step
            except BlockingIOError:
                pass
            except OSError as error:
                # Who takes nothing for connections.max.idle.ms is closed; before that it is only not read from.
                if time.monotonic() - begin < IDLE_SECONDS - 0.5:
                    raise Failure(f'{error}: such a client is stopped, not closed') from None
                connection.close()
                connections[index] = connect(lab)
                connections[index].setblocking(False)
                at[index] = 0
        time.sleep(0.001)
    lab.note = f'; {sent >> 20} MiB of requests were taken'
    for connection in connections:
        connection.close()
    # A server that stopped reading in time has not taken much more than buffers of the system hold.
    if sent > READERS * (64 << 20):
        raise Failure(f'{sent >> 20} MiB of requests were taken although nobody reads the answers')


def fetches_that_wait_for_ever_cost_a_bounded_amount(lab):
    """Many connections, each with as many fetches of many partitions as it may have, that wait for data that will not
    come."""
    with Target(lab) as topic:
        data = 128 * fetch_frame(max_wait_ms=2147483647, min_bytes=2147483647, max_bytes=2147483647, topics=[{
            'topic_id': topic.id, 'partitions': [{'partition': 0, 'fetch_offset': 0, 'partition_max_bytes': 1}] * 100}])
        connections = []
        try:
            for _ in range(PARKED):
                connection = connect(lab)
                connection.settimeout(0.5)
                connections.append(connection)
                try:
                    connection.sendall(data)
                except socket.timeout:
                    pass
            time.sleep(1.0)
        finally:
            for connection in connections:
                connection.close()
    lab.note = f'; {PARKED * 128} fetches of 100 partitions'


def flood(lab, data, seconds):
    """Many connections that send `data` without end and take all answers; how many MiB of these came."""
    poll = select.epoll()
    connections = {}
    taken = 0
    for _ in range(READERS):
        connection = connect(lab)
        connection.setblocking(False)
        connections[connection.fileno()] = [connection, 0]
        poll.register(connection, select.EPOLLIN | select.EPOLLOUT)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for number, events in poll.poll(0.1):
                connection, at = connections[number]
                try:
                    if events & select.EPOLLIN:
                        size = len(connection.recv(1 << 20))
                        if size == 0:
                            raise Failure('closed by the server')
                        taken += size
                    if events & select.EPOLLOUT:
                        connections[number][1] = (at + connection.send(data[at:])) % len(data)
                except BlockingIOError:
                    pass
    finally:
        poll.close()
        for connection, _ in connections.values():
            connection.close()
    if taken == 0:
        raise Failure('nobody got an answer')
    return taken >> 20


def fetch_frame(**fields):
    codec = wire.Codec(wire.MESSAGES['FetchRequest'], wire.newest('Fetch'))
    return request(1, codec.version, codec.put_fields(codec.message.fields, fields), True)


def floods_of_fetches_are_answered_side_by_side(lab):
    """Fetches of a hundred partitions that are answered at once, as fast as they are answered."""
    with Target(lab) as topic:
        data = fetch_frame(max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, topics=[{
            'topic_id': topic.id, 'partitions': [{'partition': 0, 'fetch_offset': 0, 'partition_max_bytes': 1}] * 100}])
        lab.note = f'; {flood(lab, data * 20, SECONDS_FULL if lab.suite.full else SECONDS_SMALL)} MiB of answers'


def floods_of_small_batches_are_stored_side_by_side(lab):
    with Target(lab) as topic:
        codec = wire.Codec(wire.MESSAGES['ProduceRequest'], wire.newest('Produce'))
        body = codec.put_fields(codec.message.fields, {
            'acks': 1, 'timeout_ms': 10000, 'topic_data': [{'topic_id': topic.id, 'partition_data': [{
                'index': 0, 'records': batch.build([b'small'])}]}]})
        data = request(0, codec.version, body, True) * 100
        lab.note = f'; {flood(lab, data, SECONDS_FULL if lab.suite.full else SECONDS_SMALL)} MiB of answers'


def fetches_that_every_record_wakes_cost_a_bounded_amount(lab):
    """Fetches that wait at the neighbour's own partition, for more than will come; they name it a hundred times."""
    data = fetch_frame(max_wait_ms=2147483647, min_bytes=2147483647, max_bytes=2147483647, topics=[{
        'topic': lab.topic, 'topic_id': lab.topic_id,
        'partitions': [{'partition': 0, 'fetch_offset': 0, 'partition_max_bytes': 1}] * 100}])
    connections = []
    try:
        for _ in range(PARKED):
            connections.append(connect(lab))
            connections[-1].sendall(data)
        time.sleep(SECONDS_FULL if lab.suite.full else SECONDS_SMALL)
    finally:
        for connection in connections:
            connection.close()


def frames_that_never_end_leave_room_for_others(lab):
    """queued.max.request.bytes is used up by frames that stop one byte before their end: others go on."""
    connections = []
    try:
        for _ in range(24):
            connection = connect(lab)
            connection.settimeout(0.3)
            connections.append(connection)
            try:
                connection.sendall(struct.pack('>i', 4 << 20) + b'\0' * ((4 << 20) - 1))
            except socket.timeout:
                pass
        time.sleep(0.5)
        with connect(lab) as connection:
            connection.sendall(known(lab))
            if not outcome(connection, 15):
                raise Failure('nobody else is answered')
    finally:
        for connection in connections:
            connection.close()


def tests(kind):
    found = [(a_storm_of_connections_harms_nobody, FEW_MIB),
             (requests_without_end_whose_answers_nobody_reads, READERS * 4 + FEW_MIB),
             (ten_thousand_idle_connections_are_kept_and_closed_in_time, IDLE_WANTED * PER_IDLE // (1 << 20) + FEW_MIB)]
    if kind == 'node':
        found.insert(1, (floods_of_fetches_are_answered_side_by_side, READERS * 4 + FEW_MIB))
        found.insert(1, (floods_of_small_batches_are_stored_side_by_side, READERS * 4 + FEW_MIB))
        found.insert(1, (fetches_that_every_record_wakes_cost_a_bounded_amount, 32 + FEW_MIB))
        found.insert(1, (fetches_that_wait_for_ever_cost_a_bounded_amount, 2 * 32 + 32 + FEW_MIB))
        found.insert(1, (readers_that_never_read_cost_a_bounded_amount, READERS * 4 + FEW_MIB))
    found.append((frames_that_never_end_leave_room_for_others, 32 + FEW_MIB))
    return found
