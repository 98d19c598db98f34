"""Traps of reading: limits, waiting, sessions, special offsets."""
import subprocess
import threading
import time

import batch
import clients
import wire
from suite import Failure, command, expect
from trap_support import (EARLIEST, EARLIEST_LOCAL, FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, LATEST,
                          LATEST_TIERED, MAX_TIMESTAMP, NONE, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE,
                          UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, Topic, offered, versions)

BATCH = batch.build([b'v' * 900])
# What a machine that is busy with other things may be late.
SLACK_SECONDS = 3.0


def empty_partition_has_zero_length_records(suite):
    """Never null: librdkafka cannot tail a log else."""
    with Topic(suite) as topic:
        for version in versions(topic.connection, 'Fetch'):
            expect(f'records, v{version}', b'', topic.fetch(0, version=version)['records'])


def end_of_a_log_has_zero_length_records(suite):
    with Topic(suite) as topic:
        topic.append(BATCH)
        for version in versions(topic.connection, 'Fetch'):
            expect(f'records, v{version}', b'', topic.fetch(1, version=version)['records'])


def partition_max_bytes_holds(suite):
    with Topic(suite) as topic:
        for _ in range(10):
            topic.append(BATCH)
        got = topic.fetch(0, partition_max_bytes=3 * len(BATCH) + 10)['records']
        if len(got) > 3 * len(BATCH) + 10:
            raise Failure(f'{len(got)} bytes for a limit of {3 * len(BATCH) + 10}')
        expect('whole batches', [0, 1, 2], [found[0] for found in batch.split(got)])


def first_batch_comes_whole_however_large(suite):
    with Topic(suite) as topic:
        topic.append(BATCH)
        topic.append(BATCH)
        for limits in ({'partition_max_bytes': 1}, {'max_bytes': 1}):
            got = topic.fetch(0, **limits)['records']
            expect(f'bytes with {limits}', len(BATCH), len(got))


def request_max_bytes_holds_over_all_partitions(suite):
    with Topic(suite, partitions=6) as topic:
        (one, other), connection = topic.partitions_of_one_leader(2)
        for index in (one, other):
            for _ in range(5):
                topic.append(BATCH, index, connection)
        answer = connection.ask('Fetch', **topic.fetch_request({one: 0, other: 0}, max_bytes=len(BATCH) + 10))
        sizes = [len(part['records']) for part in answer['responses'][0]['partitions']]
        if sum(sizes) > len(BATCH) + 10:
            raise Failure(f'{sizes} bytes for a limit of {len(BATCH) + 10}')
        if not any(size >= len(BATCH) for size in sizes):
            raise Failure(f'no batch came: {sizes} bytes')


def timed(function):
    begin = time.monotonic()
    result = function()
    return result, time.monotonic() - begin


def append_wakes_a_waiting_fetch(suite):
    with Topic(suite) as topic:
        writer = topic.connect()
        for turn in range(5):
            timer = threading.Timer(0.3, topic.append, (BATCH, 0, writer))
            timer.start()
            got, seconds = timed(lambda at=turn: topic.fetch(at, max_wait_ms=15000, min_bytes=1))
            timer.join()
            expect('bytes', len(BATCH), len(got['records']))
            if not 0.25 < seconds < 0.3 + SLACK_SECONDS:
                raise Failure(f'the append came after 0.3 s, the answer after {seconds:.2f} s')


def min_bytes_waits_until_that_much_is_readable(suite):
    with Topic(suite) as topic:
        writer = topic.connect()
        wanted = 4 * len(BATCH)
        topic.append(BATCH)

        def append_slowly():
            for _ in range(3):
                time.sleep(0.4)
                topic.append(BATCH, 0, writer)

        thread = threading.Thread(target=append_slowly)
        thread.start()
        got, seconds = timed(lambda: topic.fetch(0, max_wait_ms=15000, min_bytes=wanted))
        thread.join()
        expect('bytes', wanted, len(got['records']))
        if not 1.0 < seconds < 1.2 + SLACK_SECONDS:
            raise Failure(f'the last append came after 1.2 s, the answer after {seconds:.2f} s')


def append_between_look_up_and_wait_is_not_missed(suite):
    """Append and fetch at the same moment, many times: a wake-up that gets lost shows as a wait of max_wait."""
    with Topic(suite) as topic:
        writer = topic.connect()
        for turn in range(200):
            writer.send('Produce', offered_produce(topic), **topic.produce_request({0: BATCH}))
            got, seconds = timed(lambda at=turn: topic.fetch(at, max_wait_ms=8000, min_bytes=1))
            appended = writer.receive()['responses'][0]['partition_responses'][0]
            expect('error of the append', NONE, appended['error_code'])
            if not got['records'] or seconds > 6:
                raise Failure(f'turn {turn}: {len(got["records"])} bytes after {seconds:.2f} s')


def offered_produce(topic):
    if not hasattr(topic, 'produce_version'):
        topic.produce_version = offered(topic.connection, 'Produce')
    return topic.produce_version


def max_wait_is_waited_when_nothing_comes(suite):
    with Topic(suite) as topic:
        got, seconds = timed(lambda: topic.fetch(0, max_wait_ms=800, min_bytes=1))
        expect('records', b'', got['records'])
        if not 0.75 < seconds < 0.8 + SLACK_SECONDS:
            raise Failure(f'max_wait was 0.8 s, the answer came after {seconds:.2f} s')


def nothing_to_wait_for_is_answered_at_once(suite):
    with Topic(suite) as topic:
        for more in ({'min_bytes': 0, 'max_wait_ms': 20000}, {'min_bytes': 1, 'max_wait_ms': 0}):
            _, seconds = timed(lambda fields=more: topic.fetch(0, **fields))
            if seconds > SLACK_SECONDS:
                raise Failure(f'{more}: the answer came after {seconds:.2f} s')


def error_of_a_partition_is_answered_at_once(suite):
    with Topic(suite) as topic:
        got, seconds = timed(lambda: topic.fetch(77, max_wait_ms=15000, min_bytes=1))
        expect('error', OFFSET_OUT_OF_RANGE, got['error_code'])
        if seconds > SLACK_SECONDS:
            raise Failure(f'the answer came after {seconds:.2f} s')


def session_fetch(topic, connection, session, epoch, offsets, **more):
    answer = connection.ask('Fetch', **topic.fetch_request(offsets, session_id=session, session_epoch=epoch, **more))
    parts = {part['partition_index']: part for entry in answer['responses'] for part in entry['partitions']}
    return answer, parts


def incremental_sessions_name_only_what_changed(suite):
    with Topic(suite, partitions=6) as topic:
        (one, other), connection = topic.partitions_of_one_leader(2)
        answer, parts = session_fetch(topic, connection, 0, 0, {one: 0, other: 0})
        session = answer['session_id']
        expect('error', NONE, answer['error_code'])
        expect('partitions of the first answer', {one, other}, set(parts))
        if session <= 0:
            raise Failure(f'session id {session}')
        answer, parts = session_fetch(topic, connection, session, 1, {})
        expect('error and partitions with nothing new', (NONE, {}), (answer['error_code'], parts))
        topic.append(BATCH, other, connection)
        answer, parts = session_fetch(topic, connection, session, 2, {})
        expect('partitions after an append', {other}, set(parts))
        expect('bytes', len(BATCH), len(parts[other]['records']))
        answer, parts = session_fetch(topic, connection, session, 3, {other: 1})
        expect('partitions after moving on', set(), {index for index, part in parts.items() if part['records']})


def forgotten_partitions_leave_a_session(suite):
    with Topic(suite, partitions=6) as topic:
        (one, other), connection = topic.partitions_of_one_leader(2)
        answer, _ = session_fetch(topic, connection, 0, 0, {one: 0, other: 0})
        session = answer['session_id']
        topic.append(BATCH, one, connection)
        topic.append(BATCH, other, connection)
        answer, parts = session_fetch(topic, connection, session, 1, {}, forgotten_topics_data=[
            {'topic': topic.name, 'topic_id': topic.id, 'partitions': [one]}])
        expect('error and partitions', (NONE, {other}), (answer['error_code'], set(parts)))


def wrong_session_epoch_and_id_are_refused(suite):
    with Topic(suite) as topic:
        answer, _ = session_fetch(topic, topic.connection, 0, 0, {0: 0})
        session = answer['session_id']
        answer, _ = session_fetch(topic, topic.connection, session, 9, {})
        expect('error for epoch 9 of a new session', INVALID_FETCH_SESSION_EPOCH, answer['error_code'])
        answer, _ = session_fetch(topic, topic.connection, session ^ 0x5a5a5a, 1, {})
        expect('error for an unknown session', FETCH_SESSION_ID_NOT_FOUND, answer['error_code'])
        answer, _ = session_fetch(topic, topic.connection, session, -1, {0: 0})
        expect('error and session of closing', (NONE, 0), (answer['error_code'], answer['session_id']))
        answer, _ = session_fetch(topic, topic.connection, session, 1, {})
        expect('error for a closed session', FETCH_SESSION_ID_NOT_FOUND, answer['error_code'])


def offsets_out_of_range_and_unknown_partitions(suite):
    with Topic(suite) as topic:
        topic.append(BATCH)
        expect('behind the end', OFFSET_OUT_OF_RANGE, topic.fetch(2)['error_code'])
        expect('before the start', OFFSET_OUT_OF_RANGE, topic.fetch(-7)['error_code'])
        expect('partition 9', UNKNOWN_TOPIC_OR_PARTITION, topic.fetch(0, partition=9)['error_code'])
        name, topic.name = topic.name, topic.name + '-absent'
        expect('unknown name, v12', UNKNOWN_TOPIC_OR_PARTITION, topic.fetch(0, version=12)['error_code'])
        topic.name = name
        topic.id = type(topic.id)(int=topic.id.int ^ 1)
        expect('unknown id', UNKNOWN_TOPIC_ID, topic.fetch(0)['error_code'])


def leader_epoch_of_the_future_is_refused(suite):
    with Topic(suite) as topic:
        request = topic.fetch_request({0: 0})
        request['topics'][0]['partitions'][0]['current_leader_epoch'] = 1000
        got = topic.connection.ask('Fetch', **request)['responses'][0]['partitions'][0]
        expect('error', UNKNOWN_LEADER_EPOCH, got['error_code'])


def other_nodes_name_the_leader(suite):
    """KIP-951."""
    with Topic(suite) as topic:
        others = [address for address in suite.cluster.bootstrap.split(',')
                  if address.rsplit(':', 1)[1] != topic.connection.address.rsplit(':', 1)[1]]
        for address in others:
            with wire.Connection(address) as connection:
                answer = connection.ask('Fetch', **topic.fetch_request({0: 0}))
                got = answer['responses'][0]['partitions'][0]
                expect('error of Fetch', NOT_LEADER_OR_FOLLOWER, got['error_code'])
                ports = {node['node_id']: node['port'] for node in answer['node_endpoints']}
                port = int(topic.connection.address.rsplit(':', 1)[1])
                expect('port of the leader named', port, ports.get(got['current_leader']['leader_id']))
                answer = connection.ask('Produce', **topic.produce_request({0: BATCH}))
                got = answer['responses'][0]['partition_responses'][0]
                expect('error of Produce', NOT_LEADER_OR_FOLLOWER, got['error_code'])
                ports = {node['node_id']: node['port'] for node in answer['node_endpoints']}
                expect('port of the leader named', port, ports.get(got['current_leader']['leader_id']))


def list_offsets_special_values_and_times(suite):
    with Topic(suite) as topic:
        base = int(time.time() * 1000) - 100000
        for offset in (EARLIEST, LATEST):
            expect(f'empty, {offset}', (NONE, 0, -1), topic.offset(offset))
        expect('empty, max timestamp', (NONE, -1, -1), topic.offset(MAX_TIMESTAMP))
        expect('empty, by time', (NONE, -1, -1), topic.offset(base))
        for i in (0, 2, 1, 3):
            topic.append(batch.build([b'a', b'b'], timestamp=base + i * 1000))
        cases = ((EARLIEST, (0, -1)), (LATEST, (8, -1)), (EARLIEST_LOCAL, (0, -1)), (LATEST_TIERED, (-1, -1)),
                 (MAX_TIMESTAMP, (6, base + 3000)), (base - 5, (0, base)), (base, (0, base)),
                 (base + 1, (2, base + 2000)), (base + 1500, (2, base + 2000)), (base + 2500, (6, base + 3000)),
                 (base + 3001, (-1, -1)))
        for asked, wanted in cases:
            expect(f'offset and time for {asked - base if asked > 0 else asked}', (NONE, *wanted), topic.offset(asked))
        for version in versions(topic.connection, 'ListOffsets'):
            expect(f'v{version}', (NONE, 8, -1), topic.offset(LATEST, version=version))
        expect('unknown partition', UNKNOWN_TOPIC_OR_PARTITION, topic.offset(LATEST, partition=5)[0])


def offset_for_leader_epoch(suite):
    with Topic(suite) as topic:
        topic.append(batch.build([b'a', b'b', b'c']))

        def ask(epoch, partition=0):
            answer = topic.connection.ask('OffsetForLeaderEpoch', replica_id=-1, topics=[{
                'topic': topic.name, 'partitions': [
                    {'partition': partition, 'current_leader_epoch': -1, 'leader_epoch': epoch}]}])
            got = answer['topics'][0]['partitions'][0]
            return got['error_code'], got['leader_epoch'], got['end_offset']

        expect('epoch 0', (NONE, 0, 3), ask(0))
        expect('an epoch to come', (NONE, -1, -1), ask(7))
        expect('unknown partition', UNKNOWN_TOPIC_OR_PARTITION, ask(0, partition=4)[0])


def kcat_ends_at_the_end(suite):
    clients.needs('kcat', 'kcat')
    with Topic(suite) as topic:
        words = ['kcat', '-q', '-b', suite.cluster.bootstrap, '-C', '-t', topic.name, '-p', '0', '-e', '-f', '%o %s\n']
        expect('empty partition', '', command(words, 20))
        topic.append(batch.build([b'one', b'two']))
        expect('two records', '0 one\n1 two\n', command(words, 20))
        expect('from the end', '', command([*words, '-o', 'end'], 20))


def kcat_follows_a_log(suite):
    """A consumer at the end of an empty partition gets what comes later."""
    clients.needs('kcat', 'kcat')
    with Topic(suite) as topic:
        with subprocess.Popen(['kcat', '-q', '-b', suite.cluster.bootstrap, '-C', '-t', topic.name, '-p', '0', '-u',
                               '-c', '3', '-f', '%o %s\n'], stdout=subprocess.PIPE, text=True) as process:
            try:
                for i in range(3):
                    time.sleep(0.5)
                    topic.append(batch.build([b'later %d' % i]))
                output, _ = process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                raise Failure('kcat did not get three records within 15 s') from None
            finally:
                process.kill()
        expect('records', '0 later 0\n1 later 1\n2 later 2\n', output)


TESTS = (
    empty_partition_has_zero_length_records, end_of_a_log_has_zero_length_records, partition_max_bytes_holds,
    first_batch_comes_whole_however_large, request_max_bytes_holds_over_all_partitions, append_wakes_a_waiting_fetch,
    min_bytes_waits_until_that_much_is_readable, append_between_look_up_and_wait_is_not_missed,
    max_wait_is_waited_when_nothing_comes, nothing_to_wait_for_is_answered_at_once,
    error_of_a_partition_is_answered_at_once, incremental_sessions_name_only_what_changed,
    forgotten_partitions_leave_a_session, wrong_session_epoch_and_id_are_refused,
    offsets_out_of_range_and_unknown_partitions, leader_epoch_of_the_future_is_refused, other_nodes_name_the_leader,
    list_offsets_special_values_and_times, offset_for_leader_epoch, kcat_ends_at_the_end, kcat_follows_a_log,
)
