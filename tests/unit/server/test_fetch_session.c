/* Fetch sessions by the rules of KIP-227. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "storage-node/server/fetch_session.h"
#include "wire/fetch.h"

#define SECOND UINT64_C(1000000000)

struct fixture {
    struct fetch_session_cache cache;
    struct arena arena;
    struct fetch_request request;
    struct fetch_session *session;
    bool full;
    uint64_t now_ns;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    fetch_session_cache_init(&fixture->cache, 3, 1);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    fixture->now_ns = 1000 * SECOND;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fetch_session_cache_deinit(&fixture->cache);
    assert_int_equal(fixture->cache.partition_count, 0);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return 0;
}

/* Begins to fill the request. */
static void ask(struct fixture *fixture, int32_t session_id, int32_t epoch)
{
    arena_reset(&fixture->arena);
    fetch_request_init(&fixture->request);
    fixture->request.session_id = session_id;
    fixture->request.session_epoch = epoch;
}

/* Adds partitions [first, first + count) of one topic. */
static void add(struct fixture *fixture, struct string topic, uint8_t id, int32_t first, int32_t count, int64_t offset)
{
    struct fetch_request *request = &fixture->request;
    struct fetch_request_topics *row;

    if (request->topics == NULL) {
        request->topics = arena_need(&fixture->arena, 10, sizeof(*request->topics));
    }
    assert_true(request->topics_count < 10);
    row = &request->topics[request->topics_count++];
    fetch_request_topics_init(row);
    row->topic = topic;
    row->topic_id.data[0] = id;
    row->partitions_count = count;
    row->partitions = arena_need(&fixture->arena, (size_t)count, sizeof(*row->partitions));
    for (int32_t i = 0; i < count; i++) {
        fetch_request_topics_partitions_init(&row->partitions[i]);
        row->partitions[i].partition = first + i;
        row->partitions[i].fetch_offset = offset;
        row->partitions[i].partition_max_bytes = 1000;
    }
}

static void forget(struct fixture *fixture, struct string topic, uint8_t id, int32_t partition)
{
    struct fetch_request *request = &fixture->request;
    struct fetch_request_forgotten_topics_data *row = arena_need(&fixture->arena, 1, sizeof(*row));

    fetch_request_forgotten_topics_data_init(row);
    row->topic = topic;
    row->topic_id.data[0] = id;
    row->partitions = arena_need(&fixture->arena, 1, sizeof(int32_t));
    row->partitions[0] = partition;
    row->partitions_count = 1;
    request->forgotten_topics_data = row;
    request->forgotten_topics_data_count = 1;
}

static int16_t begin(struct fixture *fixture, int16_t version)
{
    return fetch_session_begin(&fixture->cache, &fixture->request, version, fixture->now_ns, &fixture->session,
                               &fixture->full);
}

static void end(struct fixture *fixture)
{
    fetch_session_end(&fixture->cache, fixture->session);
}

/* Opens a session by topic id with `count` partitions and ends its first request; its id. */
static int32_t open_session(struct fixture *fixture, int32_t count)
{
    ask(fixture, 0, 0);
    add(fixture, STRING_NULL, 1, 0, count, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_non_null(fixture->session);
    end(fixture);
    return fixture->session->id;
}

static const struct session_partition *partition_of(const struct fixture *fixture, int32_t index)
{
    LIST_EACH(link, &fixture->session->partitions) {
        const struct session_partition *partition = LIST_ENTRY(link, struct session_partition, link);

        if (partition->partition == index) {
            return partition;
        }
    }
    return NULL;
}

static void a_full_fetch_opens_a_session(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, 0, 0);
    add(fixture, STRING_NULL, 1, 0, 3, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_non_null(fixture->session);
    assert_true(fixture->full);
    assert_true(fixture->session->id > 0);
    assert_int_equal(fixture->session->by_partition.count, 3);
    assert_int_equal(partition_of(fixture, 2)->fetch_offset, 10);
    assert_int_equal(partition_of(fixture, 2)->sent_high_watermark, -1);
    end(fixture);
}

static void sessionless_fetches_have_none(void **state)
{
    struct fixture *fixture = *state;

    /* Final epoch, a version without sessions, nothing asked for. */
    ask(fixture, 0, -1);
    add(fixture, STRING_NULL, 1, 0, 3, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
    assert_true(fixture->full);
    ask(fixture, 0, 0);
    add(fixture, STRING("t"), 0, 0, 3, 10);
    assert_int_equal(begin(fixture, 6), ERROR_NONE);
    assert_null(fixture->session);
    ask(fixture, 0, 0);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
    assert_int_equal(fixture->cache.sessions.count, 0);
}

static void incremental_fetches_carry_changes_only(void **state)
{
    struct fixture *fixture = *state;
    const int32_t id = open_session(fixture, 3);

    ask(fixture, id, 1);
    add(fixture, STRING_NULL, 1, 1, 1, 20);
    add(fixture, STRING_NULL, 1, 7, 1, 70);
    forget(fixture, STRING_NULL, 1, 0);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_false(fixture->full);
    assert_int_equal(fixture->session->by_partition.count, 3);
    assert_null(partition_of(fixture, 0));
    assert_int_equal(partition_of(fixture, 1)->fetch_offset, 20);
    assert_int_equal(partition_of(fixture, 2)->fetch_offset, 10);
    assert_int_equal(partition_of(fixture, 7)->fetch_offset, 70);
    end(fixture);
    /* Forgetting what is not there is nothing. */
    ask(fixture, id, 2);
    forget(fixture, STRING_NULL, 1, 0);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_int_equal(fixture->session->by_partition.count, 3);
    end(fixture);
    assert_int_equal(fixture->cache.partition_count, 3);
}

static void unknown_sessions_and_wrong_epochs_are_told(void **state)
{
    struct fixture *fixture = *state;
    const int32_t id = open_session(fixture, 1);

    ask(fixture, id + 1, 1);
    assert_int_equal(begin(fixture, 13), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    ask(fixture, 0, 1);
    assert_int_equal(begin(fixture, 13), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    ask(fixture, id, 2);
    assert_int_equal(begin(fixture, 13), ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_null(fixture->session);
    ask(fixture, id, INT32_MAX);
    assert_int_equal(begin(fixture, 13), ERROR_INVALID_FETCH_SESSION_EPOCH);
    /* The session is still what it was. */
    ask(fixture, id, 1);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    /* Not again before the answer. */
    ask(fixture, id, 2);
    assert_int_equal(begin(fixture, 13), ERROR_INVALID_FETCH_SESSION_EPOCH);
}

static void a_client_that_changes_from_ids_to_names_is_told(void **state)
{
    struct fixture *fixture = *state;
    const int32_t id = open_session(fixture, 1);

    ask(fixture, id, 1);
    assert_int_equal(begin(fixture, 12), ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    ask(fixture, 0, 0);
    add(fixture, STRING("t"), 0, 0, 1, 10);
    assert_int_equal(begin(fixture, 12), ERROR_NONE);
    end(fixture);
    ask(fixture, fixture->session->id, 1);
    assert_int_equal(begin(fixture, 13), ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
}

static void epochs_wrap_to_one(void **state)
{
    struct fixture *fixture = *state;
    const int32_t id = open_session(fixture, 1);

    fixture->session->epoch = INT32_MAX;
    ask(fixture, id, INT32_MAX);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
    assert_int_equal(fixture->session->epoch, 1);
    ask(fixture, id, 1);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
}

static void a_full_fetch_replaces_the_session_that_it_names(void **state)
{
    struct fixture *fixture = *state;
    const int32_t id = open_session(fixture, 5);

    ask(fixture, id, 0);
    add(fixture, STRING_NULL, 2, 0, 1, 0);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_int_not_equal(fixture->session->id, id);
    assert_int_equal(fixture->cache.sessions.count, 1);
    end(fixture);
    ask(fixture, fixture->session->id, -1);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
    assert_int_equal(fixture->cache.sessions.count, 0);
}

static void topics_by_name_may_have_any_name(void **state)
{
    static const struct string NAMES[] = {{"a\0b", 3}, {"a", 1}, {"a\0c", 3}, {"", 0}};
    struct fixture *fixture = *state;
    int32_t id;

    ask(fixture, 0, 0);
    for (size_t i = 0; i < 4; i++) {
        add(fixture, NAMES[i], 0, 5, 1, (int64_t)i);
    }
    assert_int_equal(begin(fixture, 12), ERROR_NONE);
    assert_int_equal(fixture->session->by_partition.count, 4);
    id = fixture->session->id;
    end(fixture);
    ask(fixture, id, 1);
    add(fixture, NAMES[0], 0, 5, 1, 40);
    forget(fixture, NAMES[2], 0, 5);
    assert_int_equal(begin(fixture, 12), ERROR_NONE);
    assert_int_equal(fixture->session->by_partition.count, 3);
    end(fixture);
    /* Freed whole, whatever their names. */
    ask(fixture, id, -1);
    assert_int_equal(begin(fixture, 12), ERROR_NONE);
    assert_int_equal(fixture->cache.partition_count, 0);
}

static void sessions_used_lately_are_not_driven_out(void **state)
{
    struct fixture *fixture = *state;
    int32_t first;
    int32_t second;

    first = open_session(fixture, 1);
    fixture->now_ns += SECOND;
    second = open_session(fixture, 1);
    (void)open_session(fixture, 1);
    /* A fourth: none has been idle for long, so it gets none. */
    ask(fixture, 0, 0);
    add(fixture, STRING_NULL, 1, 0, 1, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
    /* Two minutes later it takes the place of the one that was used least recently: the second. */
    fixture->now_ns += 100 * SECOND;
    ask(fixture, first, 1);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
    fixture->now_ns += 25 * SECOND;
    (void)open_session(fixture, 1);
    assert_int_equal(fixture->cache.sessions.count, 3);
    ask(fixture, second, 1);
    assert_int_equal(begin(fixture, 13), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    ask(fixture, first, 2);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
}

static void a_session_that_is_being_answered_stays(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_session *busy;

    (void)open_session(fixture, 1);
    busy = fixture->session;
    ask(fixture, busy->id, 1);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    fixture->now_ns += 1000 * SECOND;
    for (int i = 0; i < 5; i++) {
        fixture->now_ns += 1000 * SECOND;
        (void)open_session(fixture, 1);
    }
    /* Neither eviction nor a full fetch that names it takes it away. */
    ask(fixture, busy->id, 0);
    add(fixture, STRING_NULL, 1, 0, 1, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    fetch_session_end(&fixture->cache, busy);
    ask(fixture, busy->id, busy->epoch);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
}

static void partitions_of_all_sessions_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    int32_t id;

    (void)open_session(fixture, FETCH_SESSION_PARTITIONS_MAX - 10);
    ask(fixture, 0, 0);
    add(fixture, STRING_NULL, 2, 0, 11, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
    id = open_session(fixture, 9);
    /* Naming what is there already adds nothing; more than fits ends the session. */
    ask(fixture, id, 1);
    add(fixture, STRING_NULL, 1, 0, 9, 11);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    end(fixture);
    ask(fixture, id, 2);
    add(fixture, STRING_NULL, 1, 9, 2, 11);
    assert_int_equal(begin(fixture, 13), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(fixture->cache.partition_count, FETCH_SESSION_PARTITIONS_MAX - 10);
    /* The large one makes room once it has been idle. */
    fixture->now_ns += 200 * SECOND;
    (void)open_session(fixture, 100);
    assert_int_equal(fixture->cache.partition_count, 100);
}

static void no_slots_no_sessions(void **state)
{
    struct fixture *fixture = *state;

    fixture->cache.count_max = 0;
    ask(fixture, 0, 0);
    add(fixture, STRING_NULL, 1, 0, 1, 10);
    assert_int_equal(begin(fixture, 13), ERROR_NONE);
    assert_null(fixture->session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_full_fetch_opens_a_session),
        TEST(sessionless_fetches_have_none),
        TEST(incremental_fetches_carry_changes_only),
        TEST(unknown_sessions_and_wrong_epochs_are_told),
        TEST(a_client_that_changes_from_ids_to_names_is_told),
        TEST(epochs_wrap_to_one),
        TEST(a_full_fetch_replaces_the_session_that_it_names),
        TEST(topics_by_name_may_have_any_name),
        TEST(sessions_used_lately_are_not_driven_out),
        TEST(a_session_that_is_being_answered_stays),
        TEST(partitions_of_all_sessions_are_bounded),
        TEST(no_slots_no_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
