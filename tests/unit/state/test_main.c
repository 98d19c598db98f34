/* The fixture, and all tests of the controller's state. */
#include "tests/unit/state/fixture.h"

#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "common/config/controller_config.h"

void fixture_configure(struct fixture *fixture, const char *first, const char *second)
{
    const char *settings[] = {"node.id=1000", "controller.quorum.voters=1000@localhost:9093", first, second};
    const struct config_inputs inputs = {.settings = settings,
                                         .setting_count = 2 + (size_t)(first != NULL) + (size_t)(second != NULL)};
    struct config_problem problem = {""};

    config_destroy(fixture->config);
    if (config_read(controller_config_schema(), &inputs, &fixture->config, &problem) != STATUS_OK) {
        fail_msg("%s", problem.text);
    }
}

int fixture_setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    fixture->image = image_create();
    fixture->now_ns = UINT64_C(1000000000000);
    heartbeat_table_init(&fixture->heartbeats, SESSION_NS);
    arena_init(&fixture->arena, DECISION_ARENA_LIMIT);
    buffer_init(&fixture->batch);
    fixture_configure(fixture, NULL, NULL);
    decide(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    image_unref(fixture->image);
    config_destroy(fixture->config);
    heartbeat_table_deinit(&fixture->heartbeats);
    arena_deinit(&fixture->arena);
    buffer_deinit(&fixture->batch);
    memory_free(fixture);
    return 0;
}

const struct decision *decide(struct fixture *fixture)
{
    arena_reset(&fixture->arena);
    record_list_init(&fixture->records, &fixture->arena);
    fixture->decision = (struct decision){.image = fixture->image,
                                          .config = fixture->config,
                                          .arena = &fixture->arena,
                                          .records = &fixture->records,
                                          .seed = ++fixture->seed};
    return &fixture->decision;
}

int64_t commit(struct fixture *fixture)
{
    const int64_t offset = image_offset(fixture->image) + 1;

    if (fixture->records.count == 0) {
        return -1;
    }
    buffer_clear(&fixture->batch);
    record_list_encode(&fixture->records, 1000, &fixture->batch);
    batch_assign((struct space){fixture->batch.data, fixture->batch.size}, offset, 1);
    assert_int_equal(image_apply_batch(&fixture->image, buffer_bytes(&fixture->batch)), STATUS_OK);
    record_list_truncate(&fixture->records, 0);
    return offset;
}

struct uuid uuid_of(uint8_t number)
{
    struct uuid uuid = {{7}};

    uuid.data[15] = number;
    return uuid;
}

struct broker_registration_request registration_of(struct fixture *fixture, int32_t id, uint8_t incarnation)
{
    struct broker_registration_request request;

    broker_registration_request_init(&request);
    request.broker_id = id;
    request.cluster_id = CLUSTER;
    request.incarnation_id = uuid_of(incarnation);
    request.listeners_count = 1;
    request.listeners = arena_need(&fixture->arena, 1, sizeof(*request.listeners));
    request.listeners[0].name = STRING("PLAINTEXT");
    request.listeners[0].host = STRING("node.example");
    request.listeners[0].port = 9092;
    request.features_count = 1;
    request.features = arena_need(&fixture->arena, 1, sizeof(*request.features));
    request.features[0].name = STRING(FEATURE_METADATA_VERSION);
    request.features[0].min_supported_version = METADATA_VERSION_MIN;
    request.features[0].max_supported_version = METADATA_VERSION_MAX;
    request.rack = arena_format(&fixture->arena, "rack-%d", id % 3);
    request.log_dirs_count = 1;
    request.log_dirs = arena_need(&fixture->arena, 1, sizeof(*request.log_dirs));
    request.log_dirs[0] = uuid_of((uint8_t)(100 + id));
    return request;
}

int64_t register_node(struct fixture *fixture, int32_t id, uint8_t incarnation)
{
    const struct decision *decision = decide(fixture);
    const struct broker_registration_request request =
        registration_of(fixture, id, incarnation != 0 ? incarnation : (uint8_t)id);
    struct broker_registration_response response;
    int64_t offset;

    broker_table_register(decision, CLUSTER, &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    offset = commit(fixture);
    if (response.broker_epoch == -1) {
        response.broker_epoch = offset;
    }
    assert_int_equal(image_broker(fixture->image, id)->epoch, response.broker_epoch);
    heartbeat_table_touch(&fixture->heartbeats, id, response.broker_epoch, -1, fixture->now_ns);
    return response.broker_epoch;
}

struct broker_heartbeat_response heartbeat(struct fixture *fixture, int32_t id, bool want_fence, bool want_shut_down)
{
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;

    broker_heartbeat_request_init(&request);
    request.broker_id = id;
    request.broker_epoch = image_broker(fixture->image, id)->epoch;
    request.current_metadata_offset = image_offset(fixture->image);
    request.want_fence = want_fence;
    request.want_shut_down = want_shut_down;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    commit(fixture);
    return response;
}

void start_nodes(struct fixture *fixture, int32_t count)
{
    feature_table_bootstrap(decide(fixture));
    commit(fixture);
    for (int32_t id = 1; id <= count; id++) {
        register_node(fixture, id, 0);
        assert_false(heartbeat(fixture, id, false, false).is_fenced);
    }
}

struct create_topics_request topic_request(struct fixture *fixture, const char *name, int32_t partitions)
{
    struct create_topics_request request;

    decide(fixture);
    create_topics_request_init(&request);
    request.topics_count = 1;
    request.topics = arena_need(&fixture->arena, 2, sizeof(*request.topics));
    request.topics[0].name = string_of(name);
    request.topics[0].num_partitions = partitions;
    request.topics[0].replication_factor = -1;
    request.topics[1] = request.topics[0];
    return request;
}

struct create_topics_response_topics create_topic(struct fixture *fixture, const struct create_topics_request *request)
{
    struct create_topics_response response;

    topic_table_create(&fixture->decision, request, &response);
    assert_int_equal(response.topics_count, 1);
    if (response.topics[0].error_code != ERROR_NONE) {
        assert_int_equal(fixture->records.count, 0);
        assert_non_null(response.topics[0].error_message.data);
    }
    return response.topics[0];
}

void must_create(struct fixture *fixture, const char *name, int32_t partitions)
{
    const struct create_topics_request request = topic_request(fixture, name, partitions);

    assert_int_equal(create_topic(fixture, &request).error_code, ERROR_NONE);
    commit(fixture);
}

struct partition_image partition_of(const struct fixture *fixture, const char *topic, int32_t index)
{
    struct partition_image partition;
    const struct topic_image *found = image_topic_by_name(fixture->image, string_of(topic));

    assert_non_null(found);
    assert_true(topic_image_partition(found, index, &partition));
    return partition;
}

int main(void)
{
    int failed = 0;

    failed += run_placement_tests();
    failed += run_election_tests();
    failed += run_broker_tests();
    failed += run_topic_tests();
    failed += run_config_tests();
    failed += run_model_tests();
    return failed == 0 ? 0 : 1;
}
