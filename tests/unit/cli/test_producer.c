/* The producer's decisions: batches, order, retries, identities. A small leader in here keeps what a Kafka leader keeps
 * of an idempotent producer, and tells duplicates and gaps. */
#include "cli/producer.h"
#include "common/batch/record.h"
#include "common/wire/error.h"
#include "tests/unit/cli/tests.h"

#define MS UINT64_C(1000000)
#define LEADER 1
#define PARTITIONS 3

struct fixture {
    struct producer producer;
    uint64_t now_ns;
};

static struct producer_options options(void)
{
    struct producer_options made = producer_options_default();

    made.batch_size = 200;
    made.linger_ns = 5 * MS;
    made.retry_backoff_ns = 100 * MS;
    made.delivery_ns = 1000 * MS;
    return made;
}

static void begin(struct fixture *fixture, const struct producer_options *with)
{
    if (fixture->producer.compression != NULL) {
        producer_deinit(&fixture->producer);
    }
    producer_init(&fixture->producer, with, 1);
    producer_set_partition_count(&fixture->producer, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        producer_set_leader(&fixture->producer, i, LEADER);
    }
    if (with->idempotent) {
        assert_true(producer_wants_identity(&fixture->producer));
        producer_set_identity(&fixture->producer, 77, 3);
    }
}

static int setup(void **state)
{
    static struct fixture fixture;
    const struct producer_options with = options();

    fixture = (struct fixture){.now_ns = 1000 * MS};
    begin(&fixture, &with);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    producer_deinit(&fixture->producer);
    return 0;
}

static void add(struct fixture *fixture, int32_t partition, const char *value)
{
    const struct record_draft draft = {.timestamp = 5, .value = bytes_of(value, strlen(value))};

    assert_int_equal(producer_add(&fixture->producer, partition, &draft, fixture->now_ns), STATUS_OK);
}

/* A record that fills a batch of its own. */
static void add_large(struct fixture *fixture, int32_t partition)
{
    char value[160];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    add(fixture, partition, value);
}

/* Asks for one batch of any partition. */
static struct producer_batch *next(struct fixture *fixture)
{
    bool taken[PARTITIONS] = {false};

    return producer_next(&fixture->producer, LEADER, fixture->now_ns, SIZE_MAX, taken);
}

static struct batch_header header_of(const struct producer_batch *batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_header header;

    assert_int_equal(batch_validate(bytes_of(batch->bytes.data, batch->bytes.size), &limits, &header),
                     BATCH_ERROR_NONE);
    return header;
}

static void records_wait_for_company_until_linger_is_over(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, 0, "a");
    assert_null(next(fixture));
    assert_true(producer_wakeup_ns(&fixture->producer, fixture->now_ns) == fixture->now_ns + 5 * MS);
    fixture->now_ns += 4 * MS;
    add(fixture, 0, "b");
    assert_null(next(fixture));
    fixture->now_ns += 1 * MS;
    struct producer_batch *batch = next(fixture);

    assert_non_null(batch);
    const struct batch_header header = header_of(batch);

    assert_int_equal(header.record_count, 2);
    assert_int_equal(header.base_sequence, 0);
    assert_int_equal(header.producer_id, 77);
    assert_int_equal(header.producer_epoch, 3);
    producer_acknowledged(&fixture->producer, batch, 100);
    assert_int_equal(fixture->producer.delivered, 2);
    assert_int_equal(fixture->producer.pending, 0);
    assert_int_equal(fixture->producer.memory, 0);
    assert_int_equal(fixture->producer.partitions[0].first_offset, 100);
    assert_int_equal(fixture->producer.partitions[0].last_offset, 101);
}

static void a_full_batch_and_a_flush_do_not_wait(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    add(fixture, 0, "a");
    struct producer_batch *full = next(fixture);

    assert_non_null(full);
    assert_int_equal(full->record_count, 1);
    assert_null(next(fixture));
    producer_flush(&fixture->producer);
    struct producer_batch *rest = next(fixture);

    assert_non_null(rest);
    assert_int_equal(header_of(rest).base_sequence, 1);
}

static void one_request_takes_one_batch_of_each_partition(void **state)
{
    struct fixture *fixture = *state;
    bool taken[PARTITIONS] = {false};
    int count = 0;

    for (int32_t i = 0; i < PARTITIONS; i++) {
        add_large(fixture, i);
        add_large(fixture, i);
    }
    while (producer_next(&fixture->producer, LEADER, fixture->now_ns, SIZE_MAX, taken) != NULL) {
        count++;
    }
    assert_int_equal(count, PARTITIONS);
    assert_null(producer_next(&fixture->producer, LEADER + 1, fixture->now_ns, SIZE_MAX, (bool[PARTITIONS]){false}));
    /* What does not fit into the request waits for the next. */
    assert_null(producer_next(&fixture->producer, LEADER, fixture->now_ns, 10, (bool[PARTITIONS]){false}));
}

static void no_more_than_five_batches_of_a_partition_are_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct producer_batch *first = NULL;

    for (int i = 0; i < 7; i++) {
        add_large(fixture, 0);
    }
    for (int i = 0; i < 5; i++) {
        struct producer_batch *batch = next(fixture);

        assert_non_null(batch);
        assert_int_equal(batch->sequence, i);
        first = first != NULL ? first : batch;
    }
    assert_null(next(fixture));
    producer_acknowledged(&fixture->producer, first, 0);
    assert_int_equal(next(fixture)->sequence, 5);
}

static void a_retry_has_the_same_bytes_and_goes_first_and_alone(void **state)
{
    struct fixture *fixture = *state;
    struct producer_batch *batches[3];
    uint8_t bytes[400];

    for (int i = 0; i < 4; i++) {
        add_large(fixture, 0);
    }
    for (int i = 0; i < 3; i++) {
        batches[i] = next(fixture);
    }
    const size_t size = batches[0]->bytes.size;

    memcpy(bytes, batches[0]->bytes.data, size);
    assert_true(producer_refused(&fixture->producer, batches[0], ERROR_NOT_LEADER_OR_FOLLOWER, true, fixture->now_ns));
    /* The later ones are told of a gap, which is our own retry's to fill. */
    assert_true(producer_refused(&fixture->producer, batches[1], ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, false,
                                 fixture->now_ns));
    assert_null(next(fixture));
    assert_true(producer_refused(&fixture->producer, batches[2], ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, false,
                                 fixture->now_ns));
    assert_null(next(fixture));
    assert_true(producer_wakeup_ns(&fixture->producer, fixture->now_ns) == fixture->now_ns + 100 * MS);
    fixture->now_ns += 100 * MS;
    assert_ptr_equal(next(fixture), batches[0]);
    assert_int_equal(batches[0]->bytes.size, size);
    assert_memory_equal(batches[0]->bytes.data, bytes, size);
    assert_null(next(fixture));
    producer_acknowledged(&fixture->producer, batches[0], 0);
    assert_ptr_equal(next(fixture), batches[1]);
    producer_acknowledged(&fixture->producer, batches[1], 1);
    assert_ptr_equal(next(fixture), batches[2]);
    producer_acknowledged(&fixture->producer, batches[2], 2);
    assert_int_equal(next(fixture)->sequence, 3);
    assert_int_equal(fixture->producer.failed, 0);
}

static void a_duplicate_counts_as_delivered(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    assert_false(
        producer_refused(&fixture->producer, next(fixture), ERROR_DUPLICATE_SEQUENCE_NUMBER, false, fixture->now_ns));
    assert_int_equal(fixture->producer.delivered, 1);
    assert_int_equal(fixture->producer.failed, 0);
}

static void a_final_failure_spends_the_identity(void **state)
{
    struct fixture *fixture = *state;
    struct producer_batch *batches[3];

    for (int i = 0; i < 3; i++) {
        add_large(fixture, 0);
    }
    batches[0] = next(fixture);
    batches[1] = next(fixture);
    assert_false(producer_refused(&fixture->producer, batches[0], ERROR_MESSAGE_TOO_LARGE, false, fixture->now_ns));
    assert_int_equal(fixture->producer.failed, 1);
    assert_false(producer_wants_identity(&fixture->producer));
    /* The gap is ours: the next one is not lost. */
    assert_true(producer_refused(&fixture->producer, batches[1], ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, false,
                                 fixture->now_ns));
    assert_true(producer_wants_identity(&fixture->producer));
    fixture->now_ns += 100 * MS;
    assert_null(next(fixture));
    producer_set_identity(&fixture->producer, 78, 0);
    assert_ptr_equal(next(fixture), batches[1]);
    const struct batch_header header = header_of(batches[1]);

    assert_int_equal(header.producer_id, 78);
    assert_int_equal(header.base_sequence, 0);
    producer_acknowledged(&fixture->producer, batches[1], 0);
    batches[2] = next(fixture);
    assert_int_equal(header_of(batches[2]).base_sequence, 1);
}

static void a_real_gap_is_a_failure(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    assert_false(
        producer_refused(&fixture->producer, next(fixture), ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, false,
                         fixture->now_ns));
    assert_int_equal(fixture->producer.failed, 1);
    assert_true(producer_wants_identity(&fixture->producer));
}

static void a_forgotten_producer_begins_anew_without_loss(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    assert_true(producer_refused(&fixture->producer, next(fixture), ERROR_UNKNOWN_PRODUCER_ID, false, fixture->now_ns));
    assert_true(producer_wants_identity(&fixture->producer));
    assert_int_equal(fixture->producer.failed, 0);
}

static void what_is_too_old_fails(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    producer_set_leader(&fixture->producer, 0, PRODUCER_LEADER_NONE);
    fixture->now_ns += 999 * MS;
    assert_int_equal(producer_expire(&fixture->producer, fixture->now_ns), 0);
    assert_true(producer_wakeup_ns(&fixture->producer, fixture->now_ns) == fixture->now_ns + MS);
    fixture->now_ns += MS;
    assert_int_equal(producer_expire(&fixture->producer, fixture->now_ns), 1);
    assert_int_equal(fixture->producer.pending, 0);
    /* It never had a sequence, so nobody misses it. */
    assert_false(producer_wants_identity(&fixture->producer));
    producer_set_leader(&fixture->producer, 0, LEADER);
    add_large(fixture, 0);
    struct producer_batch *batch = next(fixture);

    fixture->now_ns += 1000 * MS;
    assert_false(producer_refused(&fixture->producer, batch, ERROR_REQUEST_TIMED_OUT, true, fixture->now_ns));
    assert_int_equal(fixture->producer.failed, 2);
}

static void memory_and_request_size_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct producer_options with = options();
    char value[2000];
    struct record_draft draft = {.timestamp = 1, .value = {(const uint8_t *)value, sizeof(value)}};

    memset(value, 'v', sizeof(value));
    with.request_size_max = 1024;
    with.memory_max = 1000;
    begin(fixture, &with);
    assert_int_equal(producer_add(&fixture->producer, 0, &draft, fixture->now_ns), STATUS_TOO_LARGE);
    assert_int_equal(fixture->producer.failed, 1);
    assert_int_equal(fixture->producer.pending, 0);
    assert_int_equal(fixture->producer.memory, 0);
    while (!producer_is_full(&fixture->producer)) {
        add_large(fixture, 0);
    }
    assert_true(fixture->producer.memory < 1500);
    const int64_t pending = fixture->producer.pending;

    assert_true(pending > 0);
    assert_int_equal(producer_abandon(&fixture->producer), pending);
    assert_int_equal(fixture->producer.failed, pending + 1);
    assert_false(producer_is_full(&fixture->producer));
}

static void compressed_batches_read_back(void **state)
{
    struct fixture *fixture = *state;
    struct producer_options with = options();

    with.compression = COMPRESSION_ZSTD;
    with.compression_level = compression_level_default(COMPRESSION_ZSTD);
    begin(fixture, &with);
    add(fixture, 1, "hello");
    add_large(fixture, 1);
    producer_flush(&fixture->producer);
    struct producer_batch *batch = next(fixture);
    const struct batch_header header = header_of(batch);
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct buffer scratch;

    buffer_init(&scratch);
    assert_int_equal(header.compression, COMPRESSION_ZSTD);
    assert_int_equal(batch_validate_records(bytes_of(batch->bytes.data, batch->bytes.size), &header, &limits, NULL,
                                            &scratch, NULL),
                     BATCH_ERROR_NONE);
    buffer_deinit(&scratch);
}

static void keys_go_where_every_client_sends_them(void **state)
{
    struct fixture *fixture = *state;

    producer_set_partition_count(&fixture->producer, 12);
    assert_int_equal(producer_choose(&fixture->producer, bytes_of("foobar", 6)), 6);
    assert_int_equal(producer_choose(&fixture->producer, bytes_of("", 0)), 9);
}

static void records_without_key_stick_until_a_batch_is_full(void **state)
{
    struct fixture *fixture = *state;
    bool seen[PARTITIONS] = {false};

    producer_set_leader(&fixture->producer, 2, PRODUCER_LEADER_NONE);
    for (int i = 0; i < 40; i++) {
        const int32_t first = producer_choose(&fixture->producer, BYTES_NULL);

        assert_int_equal(producer_choose(&fixture->producer, BYTES_NULL), first);
        seen[first] = true;
        add_large(fixture, first);
        assert_int_equal(producer_choose(&fixture->producer, BYTES_NULL), first);
        add_large(fixture, first);
    }
    assert_true(seen[0]);
    assert_true(seen[1]);
    /* Nobody leads it. */
    assert_false(seen[2]);
}

static void partitions_may_be_added_while_batches_wait(void **state)
{
    struct fixture *fixture = *state;

    add_large(fixture, 0);
    add_large(fixture, 0);
    struct producer_batch *flying = next(fixture);

    producer_set_partition_count(&fixture->producer, 50);
    assert_int_equal(flying->partition->index, 0);
    producer_acknowledged(&fixture->producer, flying, 9);
    bool taken[50] = {false};
    struct producer_batch *second =
        producer_next(&fixture->producer, LEADER, fixture->now_ns, SIZE_MAX, taken);

    assert_int_equal(second->sequence, 1);
    assert_int_equal(fixture->producer.partitions[0].first_offset, 9);
}

/* A leader's memory of one producer: the next sequence of one identity, and every value stored. */
struct small_leader {
    int64_t producer_id;
    int32_t next_sequence;
    int64_t stored; /* records */
    bool seen[400]; /* by number of the record */
    bool twice;
    int32_t last;   /* number of the last one stored */
    bool reordered;
};

static int16_t leader_append(struct small_leader *leader, const struct producer_batch *batch)
{
    const struct batch_header header = header_of(batch);
    struct record_iterator iterator;
    struct record record;

    if (header.producer_id != leader->producer_id) {
        leader->producer_id = header.producer_id;
        leader->next_sequence = 0;
    }
    if (header.base_sequence < leader->next_sequence) {
        return ERROR_DUPLICATE_SEQUENCE_NUMBER;
    }
    if (header.base_sequence > leader->next_sequence) {
        return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    leader->next_sequence += header.record_count;
    record_iterator_init(&iterator, &header,
                         bytes_of(batch->bytes.data + RECORD_BATCH_HEADER_SIZE,
                                  batch->bytes.size - RECORD_BATCH_HEADER_SIZE));
    while (record_next(&iterator, &record) == STATUS_OK) {
        const int32_t number = (int32_t)record.timestamp;

        leader->twice = leader->twice || leader->seen[number];
        leader->reordered = leader->reordered || number < leader->last;
        leader->seen[number] = true;
        leader->last = number;
        leader->stored++;
    }
    return ERROR_NONE;
}

/* Whatever answers get lost and whichever batches are refused for a while: every record is stored once, in order. */
static void any_pattern_of_lost_answers_stores_each_record_once(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct producer_options with = options();
        struct small_leader leader = {.producer_id = -1, .last = -1};
        struct producer_batch *flying[5];
        size_t flying_count = 0;
        struct prng prng;
        int32_t added = 0;

        prng_init(&prng, seed);
        with.delivery_ns = UINT64_C(1000000) * MS;
        begin(fixture, &with);
        while (fixture->producer.delivered < 300) {
            while (added < 300 && prng_below(&prng, 4) != 0) {
                const struct record_draft draft = {.timestamp = added++, .value = bytes_of("0123456789", 10)};

                assert_int_equal(producer_add(&fixture->producer, 0, &draft, fixture->now_ns), STATUS_OK);
            }
            if (added == 300) {
                producer_flush(&fixture->producer);
            }
            fixture->now_ns += prng_below(&prng, 30) * MS;
            for (struct producer_batch *batch; flying_count < 5 && (batch = next(fixture)) != NULL;) {
                flying[flying_count++] = batch;
            }
            /* The connection answers in order; it may break, and then nobody knows how far the leader has got. */
            const bool breaks = prng_below(&prng, 5) == 0;
            const size_t reached = breaks ? prng_below(&prng, flying_count + 1) : flying_count;
            const bool refuses = prng_below(&prng, 6) == 0;

            for (size_t i = 0; i < flying_count; i++) {
                int16_t code = ERROR_NETWORK_EXCEPTION;

                if (i < reached) {
                    code = refuses && i == 0 ? (int16_t)ERROR_NOT_LEADER_OR_FOLLOWER : leader_append(&leader,
                                                                                                     flying[i]);
                }
                if (breaks) {
                    code = ERROR_NETWORK_EXCEPTION;
                }
                if (code == ERROR_NONE) {
                    producer_acknowledged(&fixture->producer, flying[i], 0);
                } else {
                    (void)producer_refused(&fixture->producer, flying[i], code, kafka_error_retriable(code),
                                           fixture->now_ns);
                }
            }
            flying_count = 0;
            assert_int_equal(fixture->producer.failed, 0);
        }
        assert_int_equal(leader.stored, 300);
        assert_false(leader.twice);
        assert_false(leader.reordered);
        assert_int_equal(fixture->producer.pending, 0);
        assert_int_equal(fixture->producer.memory, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_producer(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_wait_for_company_until_linger_is_over),
        TEST(a_full_batch_and_a_flush_do_not_wait),
        TEST(one_request_takes_one_batch_of_each_partition),
        TEST(no_more_than_five_batches_of_a_partition_are_in_flight),
        TEST(a_retry_has_the_same_bytes_and_goes_first_and_alone),
        TEST(a_duplicate_counts_as_delivered),
        TEST(a_final_failure_spends_the_identity),
        TEST(a_real_gap_is_a_failure),
        TEST(a_forgotten_producer_begins_anew_without_loss),
        TEST(what_is_too_old_fails),
        TEST(memory_and_request_size_are_bounded),
        TEST(compressed_batches_read_back),
        TEST(keys_go_where_every_client_sends_them),
        TEST(records_without_key_stick_until_a_batch_is_full),
        TEST(partitions_may_be_added_while_batches_wait),
        TEST(any_pattern_of_lost_answers_stores_each_record_once),
    };

    return cmocka_run_group_tests_name("producer", tests, NULL, NULL);
}
