/* Whole clusters: they come up, keep what they promised, stop in good order, and do the same for the same seed. */
#include "tests/sim/client.h"
#include "tests/sim/cluster.h"
#include "tests/sim/test_world.h"

#include <stdlib.h>

/* A cluster with one client. */
struct town {
    struct sim_world *world;
    struct cluster *cluster;
    struct client client;
    struct sim_process *client_process;
};

static const char *const town_node[] = {"node-1", NULL};
static const char *const town_nodes[] = {"node-1", "node-2", "node-3", NULL};

static void town_open(struct town *town, uint64_t seed, unsigned controllers, unsigned nodes, uint64_t records)
{
    const struct cluster_options cluster_options = {.controllers = controllers, .nodes = nodes, .loops = 2};
    const struct client_options client_options = {.topic = "hello",
                                                  .partitions = 3,
                                                  .replication = 1,
                                                  .records = records,
                                                  .nodes = nodes == 1 ? town_node : town_nodes,
                                                  .port = CLUSTER_NODE_PORT};

    town->world = sim_world_create(&(struct sim_options){.seed = seed, .narrate = getenv("SIM_NARRATE") != NULL});
    town->cluster = cluster_create(town->world, &cluster_options);
    client_init(&town->client, &client_options);
    town->client_process = sim_process_add(town->world, "client", 1, &town->client.program);
    cluster_start(town->cluster);
}

static void town_close(struct town *town)
{
    sim_world_destroy(town->world);
    cluster_destroy(town->cluster);
    client_deinit(&town->client);
}

static void town_serve(struct town *town)
{
    assert_true(sim_run_until(town->world, cluster_ready, town->cluster, 60 * NS_PER_SECOND));
    sim_process_start(town->client_process);
    if (!sim_run_until(town->world, client_is_done, &town->client, 300 * NS_PER_SECOND)) {
        fail_msg("%s", sim_failure(town->world) != NULL ? sim_failure(town->world) : "the client is not done");
    }
}

static void one_controller_and_one_node_serve_a_client(void **state)
{
    struct town town;

    (void)state;
    town_open(&town, 1, 1, 1, 500);
    town_serve(&town);
    assert_true(town.client.acknowledged >= 500);
    assert_true(town.client.read_count >= town.client.acknowledged);
    town_close(&town);
}

static void three_controllers_and_three_nodes_serve_a_client(void **state)
{
    struct town town;

    (void)state;
    town_open(&town, 2, 3, 3, 500);
    town_serve(&town);
    assert_true(town.client.acknowledged >= 500);
    town_close(&town);
}

static bool cluster_is_down(void *context)
{
    const struct cluster *cluster = context;
    bool running = false;

    for (unsigned i = 0; i < cluster_node_count(cluster); i++) {
        running = running || sim_process_running(cluster_node(cluster, i));
    }
    for (unsigned i = 0; i < cluster_controller_count(cluster); i++) {
        running = running || sim_process_running(cluster_controller(cluster, i));
    }
    return !running;
}

static void town_verify_again(struct town *town)
{
    client_verify_again(&town->client);
    if (!sim_run_until(town->world, client_is_done, &town->client, 300 * NS_PER_SECOND)) {
        fail_msg("%s", sim_failure(town->world) != NULL ? sim_failure(town->world) : "the client is not done");
    }
    assert_true(town->client.read_count >= town->client.acknowledged);
}

/* A leak is a failure of the world. */
static void an_orderly_stop_leaves_no_memory_and_loses_nothing(void **state)
{
    struct town town;

    (void)state;
    town_open(&town, 3, 3, 2, 200);
    town_serve(&town);
    for (unsigned i = 0; i < 2; i++) {
        cluster_stop(town.cluster, cluster_node(town.cluster, i));
    }
    sim_run_for(town.world, 20 * NS_PER_SECOND);
    for (unsigned i = 0; i < 3; i++) {
        cluster_stop(town.cluster, cluster_controller(town.cluster, i));
    }
    assert_true(sim_run_until(town.world, cluster_is_down, town.cluster, 60 * NS_PER_SECOND));
    assert_null(sim_failure(town.world));
    cluster_start(town.cluster);
    town_verify_again(&town);
    town_close(&town);
}

static void what_was_acknowledged_survives_a_power_cut_of_everything(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct town town;

        town_open(&town, seed, 3, 3, 300);
        assert_true(sim_run_until(town.world, cluster_ready, town.cluster, 60 * NS_PER_SECOND));
        sim_process_start(town.client_process);
        assert_true(sim_run_until(town.world, client_has_produced, &town.client, 60 * NS_PER_SECOND));
        for (unsigned i = 0; i < 3; i++) {
            sim_process_crash(cluster_node(town.cluster, i), SIM_POWER_CUT);
            sim_process_crash(cluster_controller(town.cluster, i), SIM_POWER_CUT);
        }
        cluster_start(town.cluster);
        town_verify_again(&town);
        town_close(&town);
    }
}

/* A sync fails, the process goes and comes again, reads from the cache what the disk never got, and counts it as kept:
 * then the power cut must not take it away. */
static void what_a_failed_sync_has_left_in_the_cache_is_not_taken_for_kept(void **state)
{
    static const struct sim_disk_faults none = {.capacity = 0};

    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        /* A node syncs often, a controller hardly ever. */
        const struct sim_disk_faults failing = {.sync_error_per_million = seed % 2 == 0 ? 300000 : 1000000};
        struct sim_process *victim;
        struct town town;

        town_open(&town, seed, 1, 1, 400);
        victim = seed % 2 == 0 ? cluster_node(town.cluster, 0) : cluster_controller(town.cluster, 0);
        assert_true(sim_run_until(town.world, cluster_ready, town.cluster, 60 * NS_PER_SECOND));
        sim_disk_faults_set(victim, &failing);
        sim_process_start(town.client_process);
        for (int i = 0; i < 100 && sim_process_running(victim); i++) {
            sim_run_for(town.world, 100 * NS_PER_MS);
        }
        assert_false(sim_process_running(victim));
        sim_disk_faults_set(victim, &none);
        sim_process_start(victim);
        assert_true(sim_run_until(town.world, client_has_produced, &town.client, 120 * NS_PER_SECOND));
        sim_process_crash(cluster_node(town.cluster, 0), SIM_POWER_CUT);
        sim_process_crash(cluster_controller(town.cluster, 0), SIM_POWER_CUT);
        cluster_start(town.cluster);
        town_verify_again(&town);
        town_close(&town);
    }
}

/* The checker itself: damage that nobody may serve must be noticed. */
static void a_client_notices_a_disk_that_was_exchanged(void **state)
{
    struct town town;

    (void)state;
    town_open(&town, 4, 1, 1, 200);
    town_serve(&town);
    sim_process_crash(cluster_node(town.cluster, 0), SIM_KILL);
    sim_disk_replace(cluster_node(town.cluster, 0));
    sim_process_start(cluster_node(town.cluster, 0));
    client_verify_again(&town.client);
    assert_false(sim_run_until(town.world, client_is_done, &town.client, 60 * NS_PER_SECOND));
    town_close(&town);
}

static uint64_t town_hash(uint64_t seed)
{
    struct town town;
    uint64_t hash;

    town_open(&town, seed, 3, 2, 100);
    town_serve(&town);
    sim_process_crash(cluster_controller(town.cluster, 0), SIM_POWER_CUT);
    sim_run_for(town.world, NS_PER_SECOND);
    hash = sim_trace_hash(town.world);
    town_close(&town);
    return hash;
}

static void the_same_seed_gives_the_same_cluster(void **state)
{
    (void)state;
    assert_int_equal(town_hash(5), town_hash(5));
    assert_int_not_equal(town_hash(5), town_hash(6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_controller_and_one_node_serve_a_client),
        cmocka_unit_test(three_controllers_and_three_nodes_serve_a_client),
        cmocka_unit_test(an_orderly_stop_leaves_no_memory_and_loses_nothing),
        cmocka_unit_test(what_was_acknowledged_survives_a_power_cut_of_everything),
        cmocka_unit_test(what_a_failed_sync_has_left_in_the_cache_is_not_taken_for_kept),
        cmocka_unit_test(a_client_notices_a_disk_that_was_exchanged),
        cmocka_unit_test(the_same_seed_gives_the_same_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
