/* The parts of a controller by themselves: its directory's identity, the log in memory, batches that come too late. */
#include "tests/unit/controller/support.h"

#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "controller/identity.h"
#include "controller/machine/machine.h"

#include <stdio.h>

static int setup(void **state)
{
    *state = cluster_open(1);
    return 0;
}

static int setup_three(void **state)
{
    *state = cluster_open(3);
    return 0;
}

static int teardown(void **state)
{
    cluster_close(*state);
    return 0;
}

static enum status create(struct cluster *cluster, int index, struct config_problem *problem)
{
    *problem = (struct config_problem){""};
    return controller_create(cluster->env, &cluster->options[index], &cluster->controllers[index], problem);
}

static void a_sole_voter_makes_up_a_cluster_and_stays_with_it(void **state)
{
    struct cluster *cluster = *state;
    struct uuid id;

    cluster->options[0].cluster_id = UUID_ZERO;
    cluster_start(cluster, 0);
    id = controller_cluster_id(cluster->controllers[0]);
    assert_false(uuid_is_zero(id));
    cluster_stop(cluster, 0);
    cluster_start(cluster, 0);
    assert_true(uuid_equal(controller_cluster_id(cluster->controllers[0]), id));
}

static void several_voters_need_a_cluster_id(void **state)
{
    struct cluster *cluster = *state;
    struct config_problem problem;

    cluster->options[0].cluster_id = UUID_ZERO;
    assert_int_equal(create(cluster, 0, &problem), STATUS_INVALID);
    assert_non_null(strstr(problem.text, "cluster.id="));
    assert_null(cluster->controllers[0]);
}

static void the_directory_of_another_cluster_is_refused_with_both_ids(void **state)
{
    struct cluster *cluster = *state;
    struct config_problem problem;
    char ours[UUID_TEXT_SIZE + 1];
    char theirs[UUID_TEXT_SIZE + 1];

    cluster_start(cluster, 0);
    cluster_stop(cluster, 0);
    uuid_format(cluster->options[0].cluster_id, theirs);
    cluster->options[0].cluster_id = (struct uuid){{5, 5, 5}};
    uuid_format(cluster->options[0].cluster_id, ours);
    assert_int_equal(create(cluster, 0, &problem), STATUS_INVALID);
    assert_non_null(strstr(problem.text, ours));
    assert_non_null(strstr(problem.text, theirs));
}

static void the_directory_of_another_node_is_refused(void **state)
{
    struct cluster *cluster = *state;
    struct config_problem problem;

    cluster_start(cluster, 0);
    cluster_stop(cluster, 0);
    cluster->options[0].id = 101;
    cluster->options[0].voters[0].id = 101;
    assert_int_equal(create(cluster, 0, &problem), STATUS_INVALID);
    assert_non_null(strstr(problem.text, "node.id 100"));
}

static void a_directory_in_use_is_refused(void **state)
{
    struct cluster *cluster = *state;
    struct controller *second;
    struct config_problem problem = {""};

    cluster_start(cluster, 0);
    assert_int_equal(controller_create(cluster->env, &cluster->options[0], &second, &problem), STATUS_LOCKED);
    assert_non_null(strstr(problem.text, "used by another process"));
    assert_null(second);
}

static void a_port_in_use_is_told(void **state)
{
    struct cluster *cluster = *state;
    struct config_problem problem;

    cluster->options[1].listeners[0].port = cluster->options[0].listeners[0].port;
    cluster_start(cluster, 0);
    assert_int_equal(create(cluster, 1, &problem), STATUS_OK);
    assert_int_equal(controller_start(cluster->controllers[1], &problem), STATUS_ADDRESS_IN_USE);
    assert_non_null(strstr(problem.text, "in use"));
}

static void a_cut_meta_properties_is_refused(void **state)
{
    struct cluster *cluster = *state;
    struct uuid id = UUID_ZERO;
    struct config_problem problem = {""};
    char path[128];

    snprintf(path, sizeof(path), "%s/meta.properties", cluster->root);
    assert_int_equal(disk_replace_file(cluster->env->disk, path, bytes_of("version=1\nnode.id=1\n", 20)), STATUS_OK);
    assert_int_equal(identity_settle(cluster->env, cluster->root, 1, true, &id, &problem), STATUS_INVALID);
    assert_non_null(strstr(problem.text, "not a whole"));
    assert_int_equal(disk_replace_file(cluster->env->disk, path, bytes_of("version=1\nversion=2\n", 20)), STATUS_OK);
    assert_int_equal(identity_settle(cluster->env, cluster->root, 1, true, &id, &problem), STATUS_INVALID);
}

/* The metadata log. */

#define BATCH_SIZE 1000

static void fill_log(struct metadata_log *log, int64_t first, int count)
{
    uint8_t batch[BATCH_SIZE];

    for (int i = 0; i < count; i++) {
        memset(batch, (int)((first + i) & 0xff), sizeof(batch));
        metadata_log_append(log, bytes_of(batch, sizeof(batch)), first + 2 * i + 2, (uint64_t)(10 * i));
    }
}

static void the_log_is_read_from_any_offset(void **state)
{
    struct metadata_log log;
    struct metadata_block *block;

    (void)state;
    metadata_log_init(&log, 64 << 20);
    fill_log(&log, 0, 1000);
    assert_int_equal(log.end_offset, 2000);
    for (int64_t offset = 0; offset < 2000; offset += 7) {
        const struct bytes found = metadata_log_read(&log, offset, 3 * BATCH_SIZE, &block);

        assert_non_null(found.data);
        assert_int_equal(found.data[0], (offset / 2) & 0xff);
        assert_int_equal(found.size % BATCH_SIZE, 0);
        assert_true(found.size >= BATCH_SIZE);
        assert_true(found.size <= 3 * BATCH_SIZE);
        metadata_block_unref(block);
    }
    assert_null(metadata_log_read(&log, 2000, 10, &block).data);
    assert_null(metadata_log_read(&log, -1, 10, &block).data);
    metadata_log_deinit(&log);
}

static void a_first_batch_larger_than_asked_for_is_given_all_the_same(void **state)
{
    struct metadata_log log;
    struct metadata_block *block;
    struct bytes found;

    (void)state;
    metadata_log_init(&log, 64 << 20);
    fill_log(&log, 0, 3);
    found = metadata_log_read(&log, 2, 1, &block);
    assert_int_equal(found.size, BATCH_SIZE);
    metadata_block_unref(block);
    found = metadata_log_read(&log, 0, 3 * BATCH_SIZE, &block);
    assert_int_equal(found.size, 3 * BATCH_SIZE);
    metadata_block_unref(block);
    found = metadata_log_read(&log, 0, 3 * BATCH_SIZE - 1, &block);
    assert_int_equal(found.size, 2 * BATCH_SIZE);
    metadata_block_unref(block);
    metadata_log_deinit(&log);
}

static void old_batches_go_but_not_under_a_reader(void **state)
{
    struct metadata_log log;
    struct metadata_block *block;
    struct bytes found;

    (void)state;
    metadata_log_init(&log, 1 << 20);
    fill_log(&log, 0, 10);
    found = metadata_log_read(&log, 0, BATCH_SIZE, &block);
    fill_log(&log, 20, 5000);
    assert_true(log.start_offset > 20);
    assert_true(log.bytes <= 1 << 20);
    assert_null(metadata_log_read(&log, 0, 10, &(struct metadata_block *){NULL}).data);
    assert_int_equal(found.data[BATCH_SIZE - 1], 0);
    metadata_block_unref(block);
    metadata_log_deinit(&log);
}

static void an_index_of_the_quorum_is_an_end_of_the_log(void **state)
{
    struct metadata_log log;

    (void)state;
    metadata_log_init(&log, 64 << 20);
    metadata_log_reset(&log, 100);
    assert_int_equal(metadata_log_end_at(&log, 5), 100);
    fill_log(&log, 100, 500);
    assert_int_equal(metadata_log_end_at(&log, 0), 102);
    assert_int_equal(metadata_log_end_at(&log, 9), 102);
    assert_int_equal(metadata_log_end_at(&log, 10), 104);
    assert_int_equal(metadata_log_end_at(&log, 4990), 1100);
    assert_int_equal(metadata_log_end_at(&log, 1000000), 1100);
    metadata_log_deinit(&log);
}

/* Batches that were decided on something that never came to be. */

struct lone_machine {
    struct machine *machine;
    bool closed;
    enum status outcomes[4];
    int outcome_count;
};

static void on_fatal(void *context, const char *what, enum status why)
{
    (void)context;
    (void)what;
    (void)why;
    fail();
}

static const struct machine_handler LONE_HANDLER = {.fatal = on_fatal};

static bool lone_active(void *context)
{
    const struct lone_machine *lone = context;

    return machine_is_active(lone->machine) && image_offset(lone->machine->image) >= 0 &&
           list_empty(&lone->machine->writes);
}

static void lone_open(struct lone_machine *lone, struct cluster *cluster)
{
    struct machine_options options = {
        .config = cluster->config,
        .session_timeout_ns = NS_PER_SECOND,
        .log_bytes_max = 1 << 20,
        .forward_timeout_ms = 1000,
        .forwarded_max = 10,
    };

    *lone = (struct lone_machine){0};
    quorum_options_init(&options.quorum);
    options.quorum.id = 100;
    options.quorum.voter_count = 1;
    options.quorum.voters[0] = cluster->options[0].voters[0];
    options.quorum.cluster_id = (struct uuid){{1}};
    options.quorum.directory = cluster->directories[0];
    options.quorum.entry_bytes_max = 4096;
    assert_int_equal(machine_create(cluster->env, &options, &LONE_HANDLER, lone, &lone->machine), STATUS_OK);
    cluster_until(cluster, lone_active, lone);
}

static void lone_closed(void *context)
{
    ((struct lone_machine *)context)->closed = true;
}

static void lone_close(struct lone_machine *lone, struct cluster *cluster)
{
    machine_close(lone->machine, lone_closed, lone);
    cluster_run_for(cluster, NS_PER_MS);
    assert_true(lone->closed);
    machine_destroy(lone->machine);
}

static void write_done(struct machine_write *write, enum status status)
{
    struct lone_machine *lone = write->context;

    lone->outcomes[lone->outcome_count++] = status;
}

/* Proposes a config record of the cluster's default, with a value of `size` characters. */
static void propose(struct lone_machine *lone, struct machine_write *write, size_t size)
{
    struct arena arena;
    struct record_list records;
    struct decision decision;
    struct config_record *record;
    char *value = memory_alloc(size);

    memset(value, 'x', size);
    arena_init(&arena, SIZE_MAX / 2);
    machine_begin(lone->machine, &arena, &records, &decision);
    record = record_list_add(&records, METADATA_CONFIG_RECORD);
    record->resource_type = CONFIG_BROKER;
    record->name = STRING("key");
    record->value = (struct string){value, size};
    *write = (struct machine_write){.done = write_done, .context = lone};
    machine_propose(lone->machine, &records, write);
    arena_deinit(&arena);
    memory_free(value);
}

static void a_batch_decided_elsewhere_is_passed_over(void **state)
{
    struct cluster *cluster = *state;
    struct lone_machine lone;
    struct machine *machine;
    struct metadata_block *block;
    struct bytes first;
    uint8_t *batch;
    uint64_t hash;

    lone_open(&lone, cluster);
    machine = lone.machine;
    hash = image_hash(machine->image);
    first = metadata_log_read(&machine->log, 0, 1, &block);
    batch = memory_copy(first.data, first.size);
    /* The right offset, but another term; then the right term, but another offset. */
    batch_assign((struct space){batch, first.size}, machine->log.end_offset, 77);
    assert_false(machine_apply(machine, 50, machine->term, bytes_of(batch, first.size)));
    batch_assign((struct space){batch, first.size}, machine->log.end_offset + 1, (int32_t)machine->term);
    assert_false(machine_apply(machine, 50, machine->term, bytes_of(batch, first.size)));
    assert_int_equal(machine->passed_over_total, 2);
    assert_true(image_hash(machine->image) == hash);
    memory_free(batch);
    metadata_block_unref(block);
    lone_close(&lone, cluster);
}

static bool has_three(void *context)
{
    return ((const struct lone_machine *)context)->outcome_count == 3;
}

static void a_decision_that_is_too_large_fails_alone(void **state)
{
    struct cluster *cluster = *state;
    struct lone_machine lone;
    struct machine_write writes[3];
    int64_t offset;

    lone_open(&lone, cluster);
    offset = image_offset(lone.machine->image);
    propose(&lone, &writes[0], 10);
    propose(&lone, &writes[1], 5000);
    propose(&lone, &writes[2], 20);
    assert_int_equal(lone.outcome_count, 0);
    cluster_until(cluster, has_three, &lone);
    assert_int_equal(writes[0].offset, offset + 1);
    assert_int_equal(writes[2].offset, offset + 2);
    assert_int_equal(image_offset(lone.machine->image), offset + 2);
    assert_int_equal(image_config(lone.machine->image, CONFIG_BROKER, STRING(""), STRING("key")).size, 20);
    assert_null(lone.machine->ahead);
    lone_close(&lone, cluster);
}

static void closing_calls_back_what_is_on_its_way(void **state)
{
    struct cluster *cluster = *state;
    struct lone_machine lone;
    struct machine_write writes[2];

    lone_open(&lone, cluster);
    propose(&lone, &writes[0], 10);
    propose(&lone, &writes[1], 10);
    lone_close(&lone, cluster);
    assert_int_equal(lone.outcome_count, 2);
    assert_int_equal(lone.outcomes[0], STATUS_CLOSED);
    assert_int_equal(lone.outcomes[1], STATUS_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_sole_voter_makes_up_a_cluster_and_stays_with_it),
        cmocka_unit_test_setup_teardown(several_voters_need_a_cluster_id, setup_three, teardown),
        TEST(the_directory_of_another_cluster_is_refused_with_both_ids),
        TEST(the_directory_of_another_node_is_refused),
        TEST(a_directory_in_use_is_refused),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_told, setup_three, teardown),
        TEST(a_cut_meta_properties_is_refused),
        cmocka_unit_test(the_log_is_read_from_any_offset),
        cmocka_unit_test(a_first_batch_larger_than_asked_for_is_given_all_the_same),
        cmocka_unit_test(old_batches_go_but_not_under_a_reader),
        cmocka_unit_test(an_index_of_the_quorum_is_an_end_of_the_log),
        TEST(a_batch_decided_elsewhere_is_passed_over),
        TEST(a_decision_that_is_too_large_fails_alone),
        TEST(closing_calls_back_what_is_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
