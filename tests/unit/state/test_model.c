/* Random histories. Whatever is decided, its replay is accepted; the image that one controller built by replaying, the
 * one that another restored from a snapshot on the way, and the one that was shared at each step agree; and what must
 * always hold of partitions holds. */
#include "tests/unit/state/fixture.h"

#include "common/base/prng.h"

#include <stdio.h>

#define NODES 4
#define TOPICS 12
#define STEPS 400
#define SEEDS 6

struct model {
    struct fixture *fixture;
    struct prng prng;
    struct image *replica; /* restored from a snapshot now and then, else replayed */
    uint8_t incarnations[NODES + 1];
    char name[16];
};

static const char *random_topic(struct model *model)
{
    const char joker = prng_below(&model->prng, 2) == 0 ? '.' : '_';

    snprintf(model->name, sizeof(model->name), "t%c%d", joker, (int)prng_below(&model->prng, TOPICS));
    return model->name;
}

static void step_create(struct model *model)
{
    const struct create_topics_request request =
        topic_request(model->fixture, random_topic(model), (int32_t)prng_below(&model->prng, 400));

    create_topic(model->fixture, &request);
}

static void step_delete(struct model *model)
{
    struct delete_topics_request request;
    struct delete_topics_response response;
    struct string name = string_of(random_topic(model));

    decide(model->fixture);
    delete_topics_request_init(&request);
    request.topic_names_count = 1;
    request.topic_names = &name;
    topic_table_delete(&model->fixture->decision, 5, &request, &response);
}

static void step_grow(struct model *model)
{
    struct create_partitions_request_topics topic;
    struct create_partitions_request request;
    struct create_partitions_response response;

    decide(model->fixture);
    create_partitions_request_init(&request);
    create_partitions_request_topics_init(&topic);
    topic.name = string_of(random_topic(model));
    topic.count = (int32_t)prng_below(&model->prng, 600);
    topic.assignments_count = -1;
    request.topics_count = 1;
    request.topics = &topic;
    topic_table_grow(&model->fixture->decision, &request, &response);
}

static void step_alter(struct model *model)
{
    static const char *const keys[] = {"retention.ms", "flush.ms", "segment.ms", "nonsense"};
    struct incremental_alter_configs_request_resources_configs config = {
        .name = string_of(keys[prng_below(&model->prng, ARRAY_COUNT(keys))]),
        .config_operation = (int8_t)prng_below(&model->prng, 2),
        .value = STRING("100")};
    struct incremental_alter_configs_request_resources row = {.resource_type = CONFIG_TOPIC,
                                                              .resource_name = string_of(random_topic(model)),
                                                              .configs_count = 1,
                                                              .configs = &config};
    const struct incremental_alter_configs_request request = {.resources_count = 1, .resources = &row};
    struct incremental_alter_configs_response response;

    config_table_alter(decide(model->fixture), &request, &response);
}

static void step_register(struct model *model)
{
    struct fixture *fixture = model->fixture;
    const int32_t id = 1 + (int32_t)prng_below(&model->prng, NODES);
    struct broker_registration_request request;
    struct broker_registration_response response;

    decide(fixture);
    if (prng_below(&model->prng, 2) == 0) {
        model->incarnations[id]++;
    }
    request = registration_of(fixture, id, (uint8_t)(model->incarnations[id] * NODES + id));
    broker_table_register(&fixture->decision, CLUSTER, &fixture->heartbeats, fixture->now_ns, &request, &response);
}

static void step_heartbeat(struct model *model)
{
    struct fixture *fixture = model->fixture;
    const struct broker_image *broker = image_broker(fixture->image, 1 + (int32_t)prng_below(&model->prng, NODES));
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;

    decide(fixture);
    if (broker == NULL) {
        return;
    }
    broker_heartbeat_request_init(&request);
    request.broker_id = broker->id;
    request.broker_epoch = broker->epoch;
    request.current_metadata_offset = image_offset(fixture->image) - (int64_t)prng_below(&model->prng, 3);
    request.want_fence = prng_below(&model->prng, 8) == 0;
    request.want_shut_down = prng_below(&model->prng, 8) == 0;
    broker_table_heartbeat(&fixture->decision, &fixture->heartbeats, fixture->now_ns, &request, &response);
}

static void step_expire(struct model *model)
{
    struct fixture *fixture = model->fixture;
    int32_t id;

    fixture->now_ns += prng_below(&model->prng, SESSION_NS / 2);
    id = heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns);
    decide(fixture);
    if (id >= 0) {
        broker_table_expire(&fixture->decision, id);
    }
}

static void step_unregister(struct model *model)
{
    const struct unregister_broker_request request = {.broker_id = 1 + (int32_t)prng_below(&model->prng, NODES)};
    struct unregister_broker_response response;

    decide(model->fixture);
    if (prng_below(&model->prng, 4) == 0) {
        broker_table_unregister(&model->fixture->decision, &request, &response);
    }
}

static bool node_active(const struct image *image, int32_t id)
{
    const struct broker_image *broker = image_broker(image, id);

    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown;
}

/* A partition has a leader exactly if its only replica's node is active. */
static void check_partitions(const struct image *image)
{
    size_t count = 0;

    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;

        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            assert_int_equal(partition.replica_count, 1);
            assert_int_equal(partition.isr_count, 1);
            assert_int_equal(partition.isr[0], partition.replicas[0]);
            assert_int_equal(partition.leader,
                             node_active(image, partition.replicas[0]) ? partition.replicas[0] : -1);
            count++;
        }
    }
    assert_int_equal(image_partition_count(image), count);
}

/* Brings the other controller's image up to date, by the batch or by a snapshot. */
static void follow(struct model *model)
{
    struct fixture *fixture = model->fixture;
    struct buffer snapshot;

    if (prng_below(&model->prng, 10) != 0) {
        assert_int_equal(image_apply_batch(&model->replica, buffer_bytes(&fixture->batch)), STATUS_OK);
    } else {
        buffer_init(&snapshot);
        image_write_snapshot(fixture->image, 5, 1 + prng_below(&model->prng, 20000), &snapshot);
        assert_int_equal(image_load_snapshot(&model->replica, buffer_bytes(&snapshot), image_offset(fixture->image),
                                             image_epoch(fixture->image)),
                         STATUS_OK);
        buffer_deinit(&snapshot);
    }
    assert_int_equal(image_hash(model->replica), image_hash(fixture->image));
    assert_int_equal(image_offset(model->replica), image_offset(fixture->image));
}

static void random_step(struct model *model)
{
    static void (*const steps[])(struct model *model) = {step_create,    step_delete,    step_grow,   step_alter,
                                                         step_register,  step_heartbeat, step_expire, step_unregister,
                                                         step_heartbeat, step_heartbeat};
    struct fixture *fixture = model->fixture;
    struct image *shared = prng_below(&model->prng, 2) == 0 ? image_ref(fixture->image) : NULL;
    const uint64_t before = image_hash(fixture->image);

    steps[prng_below(&model->prng, ARRAY_COUNT(steps))](model);
    /* Deciding changes nothing. */
    assert_int_equal(image_hash(fixture->image), before);
    if (fixture->records.count > 0) {
        commit(fixture);
        follow(model);
    }
    if (shared != NULL) {
        assert_int_equal(image_hash(shared), before);
    }
    image_unref(shared);
    check_partitions(fixture->image);
}

static void whatever_is_decided_every_image_agrees(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct model model = {.fixture = fixture, .replica = image_create()};

        prng_init(&model.prng, seed);
        image_unref(fixture->image);
        fixture->image = image_create();
        fixture->heartbeats.count = 0;
        for (int i = 0; i < STEPS; i++) {
            random_step(&model);
        }
        assert_true(image_offset(fixture->image) > STEPS / 4);
        image_unref(model.replica);
    }
}

int run_model_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_is_decided_every_image_agrees, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
