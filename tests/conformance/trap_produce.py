"""Traps of writing: duplicates, checks of a batch, acks."""
import struct
import time

import batch
import wire
from suite import Failure, expect
from trap_support import (CORRUPT_MESSAGE, INVALID_PRODUCER_EPOCH, INVALID_RECORD, INVALID_REQUIRED_ACKS,
                          INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, NONE, OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_TOPIC_ID,
                          UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_COMPRESSION_TYPE, Topic, offered, versions)

ZSTD = 4


def records_of(topic):
    """(base offset, sequence) of every batch in partition 0."""
    return [(base, sequence) for base, _, _, _, sequence, _ in batch.split(topic.fetch(0)['records'])]


def every_version_stores_what_was_sent(suite):
    with Topic(suite) as topic:
        offset = 0
        for version in versions(topic.connection, 'Produce'):
            data = batch.build([b'version %d' % version, b'x'])
            got = topic.produce(data, version=version)
            expect(f'error and offset, v{version}', (NONE, offset), (got['error_code'], got['base_offset']))
            # Everything behind the offset and the leader's epoch is as the producer sent it.
            stored = next(batch.split(topic.fetch(offset)['records']))[5]
            expect(f'bytes stored, v{version}', data[16:], stored[16:])
            offset += 2


def five_batches_are_remembered(suite):
    """All five of the window sent again give their first offsets and are not stored again."""
    with Topic(suite) as topic:
        producer = topic.producer()
        sent = [batch.build([b'%d' % i, b'more'], producer_id=producer, epoch=0, sequence=2 * i) for i in range(5)]
        for i, data in enumerate(sent):
            expect('offset', 2 * i, topic.append(data))
        for i, data in enumerate(sent):
            expect(f'offset of batch {i} sent again', 2 * i, topic.append(data))
        expect('end', 10, topic.end())


def gap_in_the_sequence_is_refused(suite):
    with Topic(suite) as topic:
        producer = topic.producer()
        topic.append(batch.build([b'a'], producer_id=producer, epoch=0, sequence=0))
        got = topic.produce(batch.build([b'c'], producer_id=producer, epoch=0, sequence=2))
        expect('error', OUT_OF_ORDER_SEQUENCE_NUMBER, got['error_code'])
        expect('end', 1, topic.end())
        topic.append(batch.build([b'b'], producer_id=producer, epoch=0, sequence=1))


def older_than_the_window_is_refused(suite):
    with Topic(suite) as topic:
        producer = topic.producer()
        sent = [batch.build([b'x'], producer_id=producer, epoch=0, sequence=i) for i in range(6)]
        for data in sent:
            topic.append(data)
        got = topic.produce(sent[0])
        expect('error of the sixth last batch', OUT_OF_ORDER_SEQUENCE_NUMBER, got['error_code'])
        expect('end', 6, topic.end())


def same_batch_on_several_connections_is_stored_once(suite):
    """Check and append are one step: also while the first waits for the disk."""
    with Topic(suite) as topic:
        producer = topic.producer()
        others = [topic.connect() for _ in range(4)]
        version = offered(topic.connection, 'Produce')
        for turn in range(30):
            data = batch.build([b'%d' % turn, b'two'], producer_id=producer, epoch=0, sequence=2 * turn)
            for connection in others:
                connection.send('Produce', version, **topic.produce_request({0: data}))
            for connection in others:
                got = connection.receive()['responses'][0]['partition_responses'][0]
                expect(f'error and offset, turn {turn}', (NONE, 2 * turn), (got['error_code'], got['base_offset']))
        expect('end', 60, topic.end())
        expect('batches', [(2 * i, 2 * i) for i in range(30)], records_of(topic))


def bumped_epoch_starts_at_zero(suite):
    with Topic(suite) as topic:
        producer = topic.producer()
        topic.append(batch.build([b'a'], producer_id=producer, epoch=0, sequence=0))
        got = topic.produce(batch.build([b'b'], producer_id=producer, epoch=1, sequence=1))
        expect('error of epoch 1, sequence 1', OUT_OF_ORDER_SEQUENCE_NUMBER, got['error_code'])
        topic.append(batch.build([b'b'], producer_id=producer, epoch=1, sequence=0))
        got = topic.produce(batch.build([b'c'], producer_id=producer, epoch=0, sequence=1))
        expect('error of epoch 0 after epoch 1', INVALID_PRODUCER_EPOCH, got['error_code'])
        expect('end', 2, topic.end())


def sequence_wraps_to_zero(suite):
    """A producer that the partition does not know may start anywhere; behind 2^31 - 1 comes 0."""
    with Topic(suite) as topic:
        producer = topic.producer()
        topic.append(batch.build([b'a', b'b'], producer_id=producer, epoch=0, sequence=2 ** 31 - 2))
        expect('offset', 2, topic.append(batch.build([b'c'], producer_id=producer, epoch=0, sequence=0)))


def producer_ids_are_different(suite):
    with Topic(suite) as topic:
        found = [topic.producer() for _ in range(20)]
        for address in suite.cluster.bootstrap.split(','):
            with wire.Connection(address) as connection:
                found.append(connection.ask('InitProducerId', transactional_id=None,
                                              transaction_timeout_ms=60000)['producer_id'])
        expect('different ids', len(found), len(set(found)))


def wrong_crc_is_corrupt_message(suite):
    with Topic(suite) as topic:
        expect('error', CORRUPT_MESSAGE, topic.produce(batch.build([b'a'], crc=12345))['error_code'])
        expect('end', 0, topic.end())


def damaged_batches_are_refused(suite):
    """Whatever the damage is: an error, nothing stored, and the connection goes on."""
    good = batch.build([b'a', b'b', b'c'])

    def count(number):
        tail = good[21:57] + struct.pack('>i', number) + good[61:]
        return good[:17] + struct.pack('>I', batch.crc32c(tail)) + tail

    cases = {
        'cut': good[:-5], 'length too large': good[:8] + struct.pack('>i', 5000) + good[12:],
        'length too small': good[:8] + struct.pack('>i', 10) + good[12:],
        'length negative': good[:8] + struct.pack('>i', -1) + good[12:],
        'format 9': good[:16] + b'\x09' + good[17:], 'more records than said': count(2),
        'fewer records than said': count(4), 'count negative': count(-1), 'nothing': b'', 'rubbish': b'rubbish ' * 20,
    }
    with Topic(suite) as topic:
        wrong = []
        for name, data in cases.items():
            try:
                got = topic.produce(data)['error_code']
            except wire.Closed:
                # Kafka itself closes for some of these; what counts is that nothing is stored.
                topic.connection = topic.connect()
                got = 'closed'
            if got == NONE:
                wrong.append(f'{name}: no error')
        expect('end', 0, topic.end())
        if wrong:
            raise Failure('\n'.join(wrong))
        topic.append(good)


def count_that_does_not_fit_is_invalid_record(suite):
    good = batch.build([b'a', b'b', b'c'])
    tail = good[21:57] + struct.pack('>i', 2) + good[61:]
    with Topic(suite) as topic:
        got = topic.produce(good[:17] + struct.pack('>I', batch.crc32c(tail)) + tail)
        expect('error', INVALID_RECORD, got['error_code'])


def zstd_needs_version_seven(suite):
    """KIP-110."""
    data = batch.build([b'a'])
    tail = struct.pack('>h', ZSTD) + data[23:]
    data = data[:17] + struct.pack('>I', batch.crc32c(tail)) + tail
    with Topic(suite) as topic:
        expect('error, v6', UNSUPPORTED_COMPRESSION_TYPE, topic.produce(data, version=6)['error_code'])
        expect('end', 0, topic.end())


def larger_than_max_message_bytes_is_refused(suite):
    with Topic(suite, configs={'max.message.bytes': '2000'}) as topic:
        expect('3000 bytes', MESSAGE_TOO_LARGE, topic.produce(batch.build([b'x' * 3000]))['error_code'])
        topic.append(batch.build([b'x' * 1900]))
        expect('end', 1, topic.end())


def timestamps_out_of_bounds_are_refused(suite):
    configs = {'message.timestamp.after.max.ms': '60000', 'message.timestamp.before.max.ms': '3600000'}
    now = int(time.time() * 1000)
    with Topic(suite, configs=configs) as topic:
        for what, timestamp in (('an hour ahead', now + 3600000), ('two hours ago', now - 7200000)):
            got = topic.produce(batch.build([b'a'], timestamp=timestamp))
            expect(f'error of {what}', INVALID_TIMESTAMP, got['error_code'])
        topic.append(batch.build([b'a'], timestamp=now - 1800000))


def log_append_time_is_set_by_the_server(suite):
    with Topic(suite, configs={'message.timestamp.type': 'LogAppendTime'}) as topic:
        got = topic.produce(batch.build([b'a'], timestamp=1000))
        now = int(time.time() * 1000)
        if abs(got['log_append_time_ms'] - now) > 60000:
            raise Failure(f'append time {got["log_append_time_ms"]}, now is {now}')
        stored = next(batch.split(topic.fetch(0)['records']))[5]
        expect('attributes and maximum time', (8, got['log_append_time_ms']),
               (struct.unpack_from('>h', stored, 21)[0], struct.unpack_from('>q', stored, 35)[0]))
        expect('checksum', batch.crc32c(stored[21:]), struct.unpack_from('>I', stored, 17)[0])


def partitions_of_one_request_do_not_disturb_each_other(suite):
    with Topic(suite, partitions=6) as topic:
        (one, other), connection = topic.partitions_of_one_leader(2)
        good = batch.build([b'a'])
        answer = connection.ask('Produce', **topic.produce_request({one: batch.build([b'a'], crc=1), other: good}))
        codes = {part['index']: part['error_code'] for part in answer['responses'][0]['partition_responses']}
        expect('errors', {one: CORRUPT_MESSAGE, other: NONE}, codes)
        answer = connection.ask('Produce', **topic.produce_request({one: good, other: good}))
        found = {part['index']: part['base_offset'] for part in answer['responses'][0]['partition_responses']}
        expect('offsets', {one: 0, other: 1}, found)


def pipelined_requests_are_answered_in_order(suite):
    with Topic(suite) as topic:
        version = offered(topic.connection, 'Produce')
        for i in range(200):
            topic.connection.send('Produce', version, **topic.produce_request({0: batch.build([b'%d' % i])}))
        for i in range(200):
            got = topic.connection.receive()['responses'][0]['partition_responses'][0]
            expect(f'error and offset of request {i}', (NONE, i), (got['error_code'], got['base_offset']))


def acks_zero_has_no_answer(suite):
    with Topic(suite) as topic:
        message = wire.MESSAGES['ProduceRequest']
        version = offered(topic.connection, 'Produce')
        codec = wire.Codec(message, version)
        body = codec.put_fields(message.fields, topic.produce_request({0: batch.build([b'a'])}, acks=0))
        topic.connection.send_raw(message.key, version, body, codec.flexible)
        # The next answer on this connection has to be that of the next request.
        expect('end', 1, wait_for_end(topic, 1))


def wait_for_end(topic, wanted):
    for _ in range(50):
        if topic.end() == wanted:
            break
        time.sleep(0.1)
    return topic.end()


def acks_zero_with_an_error_closes(suite):
    with Topic(suite) as topic:
        message = wire.MESSAGES['ProduceRequest']
        version = offered(topic.connection, 'Produce')
        codec = wire.Codec(message, version)
        body = codec.put_fields(message.fields, topic.produce_request({0: batch.build([b'a'], crc=1)}, acks=0))
        topic.connection.send_raw(message.key, version, body, codec.flexible)
        try:
            topic.connection.receive_raw()
        except wire.Closed:
            return
        raise Failure('the connection is still open')


def other_acks_are_refused(suite):
    with Topic(suite) as topic:
        answer = topic.connection.ask('Produce', **topic.produce_request({0: batch.build([b'a'])}, acks=5))
        got = answer['responses'][0]['partition_responses'][0]
        expect('error', INVALID_REQUIRED_ACKS, got['error_code'])


def unknown_partitions_are_refused(suite):
    with Topic(suite) as topic:
        data = batch.build([b'a'])
        expect('partition 9', UNKNOWN_TOPIC_OR_PARTITION, topic.produce(data, partition=9)['error_code'])
        topic.id = type(topic.id)(int=topic.id.int ^ 1)
        expect('unknown id', UNKNOWN_TOPIC_ID, topic.produce(data)['error_code'])


TESTS = (
    every_version_stores_what_was_sent, five_batches_are_remembered, gap_in_the_sequence_is_refused,
    older_than_the_window_is_refused, same_batch_on_several_connections_is_stored_once, bumped_epoch_starts_at_zero,
    sequence_wraps_to_zero, producer_ids_are_different, wrong_crc_is_corrupt_message, damaged_batches_are_refused,
    count_that_does_not_fit_is_invalid_record, zstd_needs_version_seven, larger_than_max_message_bytes_is_refused,
    timestamps_out_of_bounds_are_refused, log_append_time_is_set_by_the_server,
    partitions_of_one_request_do_not_disturb_each_other, pipelined_requests_are_answered_in_order,
    acks_zero_has_no_answer, acks_zero_with_an_error_closes, other_acks_are_refused, unknown_partitions_are_refused,
)
