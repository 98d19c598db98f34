/* What clients ask about the cluster and a node: metadata, descriptions, deletions; every API in every version; and
 * bytes that nobody would send by mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/wire/error.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/server/authorized.h"
#include "storage-node/server/describe.h"
#include "storage-node/server/handlers/handlers.h"
#include "tests/unit/rpc/frames.h"
#include "tests/unit/server/batches.h"
#include "tests/unit/server/box.h"
#include "wire/api_versions.h"
#include "wire/create_topics.h"
#include "wire/delete_records.h"
#include "wire/describe_cluster.h"
#include "wire/describe_configs.h"
#include "wire/describe_log_dirs.h"
#include "wire/describe_producers.h"
#include "wire/describe_topic_partitions.h"
#include "wire/fetch.h"
#include "wire/init_producer_id.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"
#include "wire/offset_for_leader_epoch.h"
#include "wire/produce.h"

#define LONG_NAME 32767

struct fixture {
    struct box box;
    struct fake_stream *stream;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    box_init(&fixture->box);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    maker_add_broker(&fixture->box.maker, 1, "one", false);
    maker_add_broker(&fixture->box.maker, 2, "two", false);
    maker_add_broker(&fixture->box.maker, 3, "three", true);
    maker_add_topic(&fixture->box.maker, "events", 1, 4, 1);
    maker_add_topic(&fixture->box.maker, "theirs", 2, 1, 2);
    maker_add_topic(&fixture->box.maker, "lost", 3, 1, 3);
    maker_add_topic(&fixture->box.maker, "__consumer_offsets", 4, 1, 1);
    box_apply(&fixture->box);
    fixture->stream = box_connect(&fixture->box, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    box_deinit(&fixture->box);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return 0;
}

static void ask(struct fixture *fixture, int16_t key, int16_t version, const void *request, void *response)
{
    box_ask(&fixture->box, fixture->stream, key, version, request, &fixture->arena, response);
}

/* Fills a partition with `count` batches of one record. */
static void fill(struct fixture *fixture, int32_t partition, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct space batch =
            batch_make(&(struct batch_recipe){.timestamp = 1000, .producer_id = 5000, .sequence = i, .records = 1});
        struct append_result result;

        assert_int_equal(partition_append(box_partition(&fixture->box, 1, partition), batch, NULL, &result), APPEND_OK);
        world_run(&fixture->box.world);
        memory_free(batch.data);
    }
}

/* --- metadata --- */

static const struct metadata_response_topics *topic_of(const struct metadata_response *response, const char *name)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (string_equal(response->topics[i].name, string_of(name))) {
            return &response->topics[i];
        }
    }
    return NULL;
}

static void metadata_tells_the_cluster_in_every_version(void **state)
{
    struct fixture *fixture = *state;

    for (int16_t version = 0; version <= 13; version++) {
        struct metadata_request request;
        struct metadata_response response;

        metadata_request_init(&request);
        request.topics_count = version == 0 ? 0 : -1;
        request.include_topic_authorized_operations = version >= 8;
        ask(fixture, API_METADATA, version, &request, &response);
        /* Fenced brokers are not told. */
        assert_int_equal(response.brokers_count, 2);
        assert_true(string_is(response.brokers[0].host, "one"));
        assert_int_equal(response.brokers[1].port, 9092);
        assert_int_equal(response.topics_count, 4);
        assert_int_equal(topic_of(&response, "events")->partitions_count, 4);
        assert_int_equal(topic_of(&response, "events")->partitions[3].leader_id, 1);
        assert_int_equal(topic_of(&response, "events")->partitions[3].error_code, ERROR_NONE);
        assert_int_equal(topic_of(&response, "lost")->partitions[0].error_code, ERROR_LEADER_NOT_AVAILABLE);
        if (version >= 1) {
            assert_int_equal(response.controller_id, 1);
            assert_true(topic_of(&response, "__consumer_offsets")->is_internal);
            assert_false(topic_of(&response, "events")->is_internal);
        }
        if (version >= 2) {
            assert_true(string_is(response.cluster_id, "the-cluster"));
        }
        if (version >= 5) {
            assert_int_equal(topic_of(&response, "lost")->partitions[0].offline_replicas_count, 1);
            assert_int_equal(topic_of(&response, "events")->partitions[0].offline_replicas_count, 0);
        }
        if (version >= 8) {
            assert_int_equal(topic_of(&response, "events")->topic_authorized_operations, AUTHORIZED_TOPIC);
        }
    }
}

static void metadata_tells_addresses_of_the_clients_listener(void **state)
{
    struct fixture *fixture = *state;
    struct metadata_request request;
    struct metadata_response response;

    fixture->stream = box_connect(&fixture->box, 1);
    metadata_request_init(&request);
    ask(fixture, API_METADATA, 12, &request, &response);
    assert_true(string_is(response.brokers[1].host, "other-two"));
    /* Of a listener that no broker has, there is nothing to tell. */
    fixture->stream = box_connect(&fixture->box, 7);
    request.topics_count = -1;
    ask(fixture, API_METADATA, 12, &request, &response);
    assert_int_equal(response.brokers_count, 0);
    assert_int_equal(topic_of(&response, "events")->partitions[0].error_code, ERROR_LISTENER_NOT_FOUND);
}

static void metadata_names_topics_once_and_knows_bad_ones(void **state)
{
    struct metadata_request_topics topics[8];
    struct fixture *fixture = *state;
    struct metadata_request request;
    struct metadata_response response;

    metadata_request_init(&request);
    for (size_t i = 0; i < 8; i++) {
        metadata_request_topics_init(&topics[i]);
    }
    topics[0].name = STRING("events");
    topics[1].name = STRING("no-such-topic");
    topics[2].name = STRING("events");
    topics[3].topic_id = maker_topic_id(2);
    topics[4].topic_id = maker_topic_id(99);
    topics[5].name = STRING("bad name");
    topics[6].name = STRING("no-such-topic");
    topics[7].topic_id = maker_topic_id(2);
    request.topics = topics;
    request.topics_count = 8;
    ask(fixture, API_METADATA, 12, &request, &response);
    assert_int_equal(response.topics_count, 5);
    assert_int_equal(response.topics[0].partitions_count, 4);
    assert_int_equal(response.topics[1].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(string_is(response.topics[2].name, "theirs"));
    assert_int_equal(response.topics[3].error_code, ERROR_UNKNOWN_TOPIC_ID);
    assert_null(response.topics[3].name.data);
    assert_int_equal(response.topics[4].error_code, ERROR_INVALID_TOPIC_EXCEPTION);
}

static void topics_asked_for_may_come_into_being(void **state)
{
    struct fixture *fixture = *state;
    struct metadata_request_topics topic;
    struct metadata_request request;
    struct metadata_response response;

    fixture->box.service.auto_create = true;
    metadata_request_init(&request);
    metadata_request_topics_init(&topic);
    topic.name = STRING("wished-for");
    request.topics = &topic;
    request.topics_count = 1;
    ask(fixture, API_METADATA, 9, &request, &response);
    assert_int_equal(response.topics[0].error_code, ERROR_LEADER_NOT_AVAILABLE);
    request.allow_auto_topic_creation = false;
    ask(fixture, API_METADATA, 9, &request, &response);
    assert_int_equal(response.topics[0].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    /* Without a controller nothing is under way. */
    assert_int_equal(fixture->box.service.topics_asked.count, 0);
}

static void topic_names_follow_kafkas_rule(void **state)
{
    char name[300];

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(describe_topic_name_valid(STRING("a.B_9-z")));
    assert_true(describe_topic_name_valid((struct string){name, 249}));
    assert_false(describe_topic_name_valid((struct string){name, 250}));
    assert_false(describe_topic_name_valid(STRING("")));
    assert_false(describe_topic_name_valid(STRING_NULL));
    assert_false(describe_topic_name_valid(STRING(".")));
    assert_false(describe_topic_name_valid(STRING("..")));
    assert_true(describe_topic_name_valid(STRING("...")));
    assert_false(describe_topic_name_valid(STRING("a/b")));
    assert_false(describe_topic_name_valid((struct string){"a\0b", 3}));
    assert_false(describe_topic_name_valid(STRING("\xc3\xa4")));
}

/* --- descriptions --- */

static void topics_are_described_page_by_page(void **state)
{
    struct describe_topic_partitions_request_cursor cursor;
    struct describe_topic_partitions_request request;
    struct describe_topic_partitions_response response;
    struct fixture *fixture = *state;
    int32_t partitions = 0;
    int pages = 0;

    describe_topic_partitions_request_init(&request);
    request.response_partition_limit = 2;
    do {
        ask(fixture, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &response);
        for (int32_t i = 0; i < response.topics_count; i++) {
            partitions += response.topics[i].partitions_count;
        }
        if (response.next_cursor != NULL) {
            describe_topic_partitions_request_cursor_init(&cursor);
            cursor.topic_name = response.next_cursor->topic_name;
            cursor.partition_index = response.next_cursor->partition_index;
            request.cursor = &cursor;
        }
        pages++;
        assert_true(pages < 20);
    } while (response.next_cursor != NULL);
    assert_int_equal(partitions, 7);
    assert_int_equal(pages, 4);
    /* Cursors from nowhere. */
    cursor.topic_name = STRING("zzz");
    cursor.partition_index = INT32_MAX;
    ask(fixture, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &response);
    assert_int_equal(response.topics_count, 0);
    cursor.topic_name = STRING("events");
    cursor.partition_index = INT32_MIN;
    request.response_partition_limit = INT32_MIN;
    ask(fixture, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &response);
    assert_int_equal(response.topics[0].partitions_count, 4);
}

static void configs_of_long_names_are_refused_within_the_protocol(void **state)
{
    struct describe_configs_request_resources resources[6];
    struct describe_configs_request request;
    struct describe_configs_response response;
    struct fixture *fixture = *state;
    char *name = memory_alloc(LONG_NAME);

    memset(name, 'x', LONG_NAME);
    for (int16_t version = 1; version <= 4; version++) {
        describe_configs_request_init(&request);
        for (size_t i = 0; i < 6; i++) {
            describe_configs_request_resources_init(&resources[i]);
            resources[i].configuration_keys_count = -1;
            resources[i].resource_type = i < 4 ? CONFIG_TOPIC : CONFIG_BROKER;
            resources[i].resource_name = (struct string){name, LONG_NAME};
        }
        resources[1].resource_name = STRING("events");
        resources[2].resource_name = STRING("events");
        resources[5].resource_name = STRING("1");
        request.resources = resources;
        request.resources_count = 6;
        ask(fixture, API_DESCRIBE_CONFIGS, version, &request, &response);
        /* Each once. */
        assert_int_equal(response.results_count, 4);
        for (int32_t i = 0; i < 4; i++) {
            assert_int_equal(response.results[i].error_code == ERROR_NONE,
                             response.results[i].resource_name.size < LONG_NAME);
        }
    }
    memory_free(name);
}

static void log_directories_are_described_once_for_each_partition(void **state)
{
    struct describe_log_dirs_request_topics topics[3];
    int32_t indexes[] = {0, 1, 0, 77, -1, 3};
    struct describe_log_dirs_request request;
    struct describe_log_dirs_response response;
    struct fixture *fixture = *state;
    int32_t count = 0;

    fill(fixture, 0, 3);
    for (int16_t version = 1; version <= 5; version++) {
        describe_log_dirs_request_init(&request);
        request.topics_count = -1;
        ask(fixture, API_DESCRIBE_LOG_DIRS, version, &request, &response);
        assert_int_equal(response.results_count, 2);
        count = 0;
        for (int32_t i = 0; i < 2; i++) {
            for (int32_t j = 0; j < response.results[i].topics_count; j++) {
                count += response.results[i].topics[j].partitions_count;
            }
        }
        assert_int_equal(count, 5);
        for (size_t i = 0; i < 3; i++) {
            describe_log_dirs_request_topics_init(&topics[i]);
            topics[i].topic = i < 2 ? STRING("events") : STRING("no-such-topic");
            topics[i].partitions = indexes;
            topics[i].partitions_count = 6;
        }
        request.topics = topics;
        request.topics_count = 3;
        ask(fixture, API_DESCRIBE_LOG_DIRS, version, &request, &response);
        count = 0;
        for (int32_t i = 0; i < 2; i++) {
            assert_true(response.results[i].topics_count <= 1);
            for (int32_t j = 0; j < response.results[i].topics_count; j++) {
                count += response.results[i].topics[j].partitions_count;
            }
        }
        assert_int_equal(count, 3);
    }
    directories_fail(fixture->box.service.directories, 1);
    ask(fixture, API_DESCRIBE_LOG_DIRS, 4, &request, &response);
    assert_int_equal(response.results[0].error_code, ERROR_NONE);
    assert_int_equal(response.results[1].error_code, ERROR_KAFKA_STORAGE_ERROR);
}

static void producers_and_epochs_are_told(void **state)
{
    struct offset_for_leader_epoch_request_topics_partitions epoch_row;
    struct offset_for_leader_epoch_request_topics epoch_topic;
    struct offset_for_leader_epoch_request epoch_request;
    struct offset_for_leader_epoch_response epoch_response;
    struct describe_producers_request_topics topic;
    struct describe_producers_request request;
    struct describe_producers_response response;
    int32_t indexes[] = {0, 0, 1, 9};
    struct fixture *fixture = *state;

    fill(fixture, 0, 3);
    describe_producers_request_init(&request);
    describe_producers_request_topics_init(&topic);
    topic.name = STRING("events");
    topic.partition_indexes = indexes;
    topic.partition_indexes_count = 4;
    request.topics = &topic;
    request.topics_count = 1;
    ask(fixture, API_DESCRIBE_PRODUCERS, 0, &request, &response);
    assert_int_equal(response.topics[0].partitions[0].active_producers_count, 1);
    assert_int_equal(response.topics[0].partitions[0].active_producers[0].producer_id, 5000);
    assert_int_equal(response.topics[0].partitions[0].active_producers[0].last_sequence, 2);
    assert_int_equal(response.topics[0].partitions[2].active_producers_count, 0);
    assert_int_equal(response.topics[0].partitions[3].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    for (int16_t version = 2; version <= 4; version++) {
        offset_for_leader_epoch_request_init(&epoch_request);
        offset_for_leader_epoch_request_topics_init(&epoch_topic);
        offset_for_leader_epoch_request_topics_partitions_init(&epoch_row);
        epoch_row.current_leader_epoch = -1;
        epoch_topic.topic = STRING("events");
        epoch_topic.partitions = &epoch_row;
        epoch_topic.partitions_count = 1;
        epoch_request.topics = &epoch_topic;
        epoch_request.topics_count = 1;
        ask(fixture, API_OFFSET_FOR_LEADER_EPOCH, version, &epoch_request, &epoch_response);
        assert_int_equal(epoch_response.topics[0].partitions[0].end_offset, 3);
        epoch_row.leader_epoch = 50;
        ask(fixture, API_OFFSET_FOR_LEADER_EPOCH, version, &epoch_request, &epoch_response);
        assert_int_equal(epoch_response.topics[0].partitions[0].end_offset, -1);
    }
}

static void records_are_deleted_up_to_the_high_watermark(void **state)
{
    static const struct {
        int64_t offset;
        int16_t error;
        int64_t low_watermark;
    } STEPS[] = {{0, ERROR_NONE, 0},
                 {3, ERROR_NONE, 3},
                 {2, ERROR_NONE, 3},
                 {-2, ERROR_OFFSET_OUT_OF_RANGE, -1},
                 {6, ERROR_OFFSET_OUT_OF_RANGE, -1},
                 {INT64_MAX, ERROR_OFFSET_OUT_OF_RANGE, -1},
                 {INT64_MIN, ERROR_OFFSET_OUT_OF_RANGE, -1},
                 {-1, ERROR_NONE, 5}};
    struct delete_records_request_topics_partitions row;
    struct delete_records_request_topics topic;
    struct delete_records_request request;
    struct delete_records_response response;
    struct fixture *fixture = *state;

    fill(fixture, 1, 5);
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        delete_records_request_init(&request);
        delete_records_request_topics_init(&topic);
        delete_records_request_topics_partitions_init(&row);
        row.partition_index = 1;
        row.offset = STEPS[i].offset;
        topic.name = STRING("events");
        topic.partitions = &row;
        topic.partitions_count = 1;
        request.topics = &topic;
        request.topics_count = 1;
        ask(fixture, API_DELETE_RECORDS, (int16_t)(i % 3), &request, &response);
        assert_int_equal(response.topics[0].partitions[0].error_code, STEPS[i].error);
        assert_int_equal(response.topics[0].partitions[0].low_watermark, STEPS[i].low_watermark);
    }
}

static void the_cluster_is_described(void **state)
{
    struct describe_cluster_request request;
    struct describe_cluster_response response;
    struct fixture *fixture = *state;

    for (int16_t version = 0; version <= 2; version++) {
        describe_cluster_request_init(&request);
        request.include_fenced_brokers = version >= 2;
        ask(fixture, API_DESCRIBE_CLUSTER, version, &request, &response);
        assert_int_equal(response.error_code, ERROR_NONE);
        assert_int_equal(response.brokers_count, version >= 2 ? 3 : 2);
        if (version >= 2) {
            assert_true(response.brokers[2].is_fenced);
        }
    }
    describe_cluster_request_init(&request);
    request.endpoint_type = 2;
    ask(fixture, API_DESCRIBE_CLUSTER, 1, &request, &response);
    assert_int_equal(response.error_code, ERROR_MISMATCHED_ENDPOINT_TYPE);
}

static void what_needs_the_controllers_fails_while_they_are_away(void **state)
{
    struct init_producer_id_request id_request;
    struct init_producer_id_response id_response;
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    struct create_topics_response response;
    struct fixture *fixture = *state;

    for (int16_t version = 0; version <= 5; version++) {
        init_producer_id_request_init(&id_request);
        id_request.transactional_id = STRING_NULL;
        ask(fixture, API_INIT_PRODUCER_ID, version, &id_request, &id_response);
        assert_int_equal(id_response.error_code, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        id_request.transactional_id = STRING("mine");
        ask(fixture, API_INIT_PRODUCER_ID, version, &id_request, &id_response);
        assert_int_equal(id_response.error_code, ERROR_NOT_COORDINATOR);
    }
    for (int16_t version = 2; version <= 7; version++) {
        create_topics_request_init(&request);
        create_topics_request_topics_init(&topic);
        topic.name = STRING("new");
        request.topics = &topic;
        request.topics_count = 1;
        ask(fixture, API_CREATE_TOPICS, version, &request, &response);
        assert_int_equal(response.topics[0].error_code, ERROR_NOT_CONTROLLER);
    }
}

/* --- everything --- */

static void every_api_answers_an_empty_request_in_every_version(void **state)
{
    struct fixture *fixture = *state;
    size_t count;
    const struct rpc_route *routes = node_routes(&count);

    for (size_t i = 0; i < count; i++) {
        const struct api *api = api_find(routes[i].key);

        for (int16_t version = routes[i].version_min; version <= routes[i].version_max; version++) {
            void *request;
            void *response;

            if (version < api->version_min) {
                continue;
            }
            request = arena_need(&fixture->arena, 1, api->request.size);
            response = arena_need(&fixture->arena, 1, api->response.size);
            api->request.init(request);
            if (routes[i].key == API_PRODUCE) {
                ((struct produce_request *)request)->acks = 1;
            }
            ask(fixture, routes[i].key, version, request, response);
        }
    }
}

/* Each fills a request with something to look up. */
static void sample_metadata(struct metadata_request *body, struct arena *arena)
{
    body->topics = arena_need(arena, 2, sizeof(*body->topics));
    body->topics_count = 2;
    body->topics[0].name = STRING("events");
    body->topics[1].name = STRING("nothing");
}

static void sample_fetch(struct fetch_request *body, struct arena *arena)
{
    body->topics = arena_need(arena, 1, sizeof(*body->topics));
    body->topics_count = 1;
    body->session_epoch = 0;
    fetch_request_topics_init(body->topics);
    body->topics->topic = STRING("events");
    body->topics->topic_id = maker_topic_id(1);
    body->topics->partitions = arena_need(arena, 2, sizeof(*body->topics->partitions));
    body->topics->partitions_count = 2;
    for (int32_t i = 0; i < 2; i++) {
        fetch_request_topics_partitions_init(&body->topics->partitions[i]);
        body->topics->partitions[i].partition = i;
        body->topics->partitions[i].partition_max_bytes = 1000;
    }
}

static void sample_list_offsets(struct list_offsets_request *body, struct arena *arena)
{
    body->replica_id = -1;
    body->topics = arena_need(arena, 1, sizeof(*body->topics));
    body->topics_count = 1;
    body->topics->name = STRING("events");
    body->topics->partitions = arena_need(arena, 2, sizeof(*body->topics->partitions));
    body->topics->partitions_count = 2;
    for (int32_t i = 0; i < 2; i++) {
        list_offsets_request_topics_partitions_init(&body->topics->partitions[i]);
        body->topics->partitions[i].partition_index = i;
        body->topics->partitions[i].timestamp = i == 0 ? 5 : -3;
    }
}

static void sample_produce(struct produce_request *body, struct arena *arena)
{
    const struct space batch = batch_make(&(struct batch_recipe){.timestamp = 3});
    const uint8_t *copy = memcpy(arena_need(arena, batch.size, 1), batch.data, batch.size);

    memory_free(batch.data);
    body->acks = -1;
    body->topic_data = arena_need(arena, 1, sizeof(*body->topic_data));
    body->topic_data_count = 1;
    body->topic_data->name = STRING("events");
    body->topic_data->topic_id = maker_topic_id(1);
    body->topic_data->partition_data = arena_need(arena, 2, sizeof(*body->topic_data->partition_data));
    body->topic_data->partition_data_count = 2;
    for (int32_t i = 0; i < 2; i++) {
        body->topic_data->partition_data[i].index = i;
        body->topic_data->partition_data[i].records = (struct records){.data = copy, .size = batch.size};
    }
}

/* Requests of every API and version, to be damaged. Returns their number. */
static size_t make_samples(struct buffer *samples, struct arena *arena)
{
    size_t route_count;
    const struct rpc_route *routes = node_routes(&route_count);
    size_t count = 0;

    for (size_t i = 0; i < route_count; i++) {
        const struct api *api = api_find(routes[i].key);

        for (int16_t version = api->version_min; version <= routes[i].version_max; version++) {
            void *request = arena_need(arena, 1, api->request.size);

            api->request.init(request);
            if (api->key == API_METADATA) {
                sample_metadata(request, arena);
            } else if (api->key == API_FETCH) {
                sample_fetch(request, arena);
            } else if (api->key == API_LIST_OFFSETS) {
                sample_list_offsets(request, arena);
            } else if (api->key == API_PRODUCE) {
                sample_produce(request, arena);
            }
            buffer_init(&samples[count]);
            frame_request(&samples[count++], api->key, version, 42, request);
        }
    }
    return count;
}

static void damage(struct buffer *frame, struct prng *prng)
{
    const uint64_t changes = 1 + prng_next(prng) % 4;

    for (uint64_t i = 0; i < changes; i++) {
        const size_t at = 8 + (size_t)(prng_next(prng) % (frame->size - 8));
        static const uint8_t EDGES[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe};

        switch (prng_next(prng) % 4) {
        case 0:
            frame->data[at] ^= (uint8_t)(1U << (prng_next(prng) % 8));
            break;
        case 1:
            frame->data[at] = EDGES[prng_next(prng) % sizeof(EDGES)];
            break;
        case 2:
            frame->data[at] = (uint8_t)prng_next(prng);
            break;
        default:
            frame->size = at > 12 ? at : frame->size;
            break;
        }
    }
    store_i32(frame->data, (int32_t)frame->size - 4);
}

/* Waits as long as damaged requests may ask for are not waited for: the connection goes instead. */
static void damaged_requests_get_an_answer_or_a_closed_connection(void **state)
{
    struct fixture *fixture = *state;
    struct buffer *samples = memory_alloc_zero(256, sizeof(*samples));
    struct prng prng;
    size_t count;

    prng_init(&prng, 20260101);
    fill(fixture, 0, 5);
    fill(fixture, 1, 5);
    count = make_samples(samples, &fixture->arena);
    assert_true(count > 80);
    for (int round = 0; round < 150; round++) {
        for (size_t i = 0; i < count; i++) {
            struct fake_stream *stream = box_connect(&fixture->box, 0);
            bool gone = false;
            struct buffer frame;

            buffer_init(&frame);
            buffer_append(&frame, samples[i].data, samples[i].size);
            if (round > 0) {
                damage(&frame, &prng);
            }
            stream->gone = &gone;
            stream_push(stream, frame.data, frame.size);
            world_run(&fixture->box.world);
            if (!gone) {
                stream_end(stream);
                world_run(&fixture->box.world);
            }
            assert_true(gone);
            buffer_deinit(&frame);
        }
    }
    for (size_t i = 0; i < count; i++) {
        buffer_deinit(&samples[i]);
    }
    memory_free(samples);
    /* It is still there for others. */
    metadata_tells_the_cluster_in_every_version(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(metadata_tells_the_cluster_in_every_version),
        TEST(metadata_tells_addresses_of_the_clients_listener),
        TEST(metadata_names_topics_once_and_knows_bad_ones),
        TEST(topics_asked_for_may_come_into_being),
        TEST(topic_names_follow_kafkas_rule),
        TEST(topics_are_described_page_by_page),
        TEST(configs_of_long_names_are_refused_within_the_protocol),
        TEST(log_directories_are_described_once_for_each_partition),
        TEST(producers_and_epochs_are_told),
        TEST(records_are_deleted_up_to_the_high_watermark),
        TEST(the_cluster_is_described),
        TEST(what_needs_the_controllers_fails_while_they_are_away),
        TEST(every_api_answers_an_empty_request_in_every_version),
        TEST(damaged_requests_get_an_answer_or_a_closed_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
