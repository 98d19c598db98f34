/* A cluster of a random size serves a client through a storm; when it is over, everything that was acknowledged is read
 * back. */
#include "tests/sim/client.h"
#include "tests/sim/cluster.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/workload.h"

#include <stdio.h>

#define NODES_MOST 3
#define STORM_NS (60 * NS_PER_SECOND)
#define PATIENCE_NS (300 * NS_PER_SECOND)

struct scene {
    struct sim_world *world;
    struct cluster *cluster;
    struct client client;
    struct sim_process *client_process;
    struct nemesis *nemesis;
    const char *hosts[NODES_MOST + 1];
};

static void scene_open(struct scene *scene, const struct sim_options *options)
{
    struct cluster_options cluster_options = {0};
    /* Clocks jump by up to an hour at a time, which is also how far in the future records may be by default. */
    static const char *const topic_settings[] = {"message.timestamp.after.max.ms=9223372036854775807", NULL};
    struct client_options client_options = {.topic = "storm",
                                            .replication = 1,
                                            .records = UINT64_MAX,
                                            .settings = topic_settings,
                                            .nodes = scene->hosts,
                                            .port = CLUSTER_NODE_PORT};

    scene->world = sim_world_create(options);
    cluster_options.controllers = prng_below(sim_prng(scene->world), 3) == 0 ? 1 : 3;
    cluster_options.nodes = 1 + (unsigned)prng_below(sim_prng(scene->world), NODES_MOST);
    cluster_options.loops = 1 + (unsigned)prng_below(sim_prng(scene->world), 3);
    client_options.partitions = 1 + (int32_t)prng_below(sim_prng(scene->world), 6);
    scene->cluster = cluster_create(scene->world, &cluster_options);
    for (unsigned i = 0; i < cluster_options.nodes; i++) {
        scene->hosts[i] = sim_process_name(cluster_node(scene->cluster, i));
    }
    client_init(&scene->client, &client_options);
    scene->client_process = sim_process_add(scene->world, "client", 1, &scene->client.program);
}

static void scene_disturb(struct scene *scene)
{
    const struct nemesis_options faults = nemesis_options_all();
    struct sim_process *processes[SIM_PROCESSES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < cluster_controller_count(scene->cluster); i++) {
        processes[count++] = cluster_controller(scene->cluster, i);
    }
    for (unsigned i = 0; i < cluster_node_count(scene->cluster); i++) {
        processes[count++] = cluster_node(scene->cluster, i);
    }
    processes[count++] = scene->client_process;
    scene->nemesis = nemesis_create(scene->world, processes, count, &faults);
}

/* True if the cluster came up, and after the storm again, and the client had what it was promised. */
static bool scene_play(struct scene *scene)
{
    struct client *client = &scene->client;

    cluster_start(scene->cluster);
    if (!sim_run_until(scene->world, cluster_ready, scene->cluster, PATIENCE_NS)) {
        return false;
    }
    sim_process_start(scene->client_process);
    scene_disturb(scene);
    sim_run_for(scene->world, STORM_NS);
    nemesis_rest(scene->nemesis);
    if (!sim_run_until(scene->world, cluster_ready, scene->cluster, PATIENCE_NS)) {
        return false;
    }
    /* One more acknowledgement, and it reads. */
    client->options.records = client->acknowledged + 1;
    return sim_run_until(scene->world, client_is_done, client, PATIENCE_NS);
}

void workload_cluster(const struct sim_options *options, struct verdict *verdict)
{
    struct scene scene = {0};

    scene_open(&scene, options);
    verdict_take(verdict, scene.world, scene_play(&scene));
    sim_say(scene.world, "%llu records were acknowledged, %llu read, %llu attempts failed",
            (unsigned long long)scene.client.acknowledged, (unsigned long long)scene.client.read_count,
            (unsigned long long)scene.client.produce_errors);
    sim_world_destroy(scene.world);
    cluster_destroy(scene.cluster);
    client_deinit(&scene.client);
    if (scene.nemesis != NULL) {
        nemesis_destroy(scene.nemesis);
    }
}
