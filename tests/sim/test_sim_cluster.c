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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_controller_and_one_node_serve_a_client),
        cmocka_unit_test(three_controllers_and_three_nodes_serve_a_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
