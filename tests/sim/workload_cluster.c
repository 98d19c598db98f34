/* A cluster of a random shape serves producers, consumers and an operator through a storm; when it is over, the cluster
 * must be whole again in a bounded time: every partition takes a record, an order is carried out, and everything that
 * was promised is read back. */
#include "tests/sim/cluster.h"
#include "tests/sim/consumer.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/operator.h"
#include "tests/sim/producer.h"
#include "tests/sim/wakeups.h"
#include "tests/sim/watch.h"
#include "tests/sim/workload.h"

#include "common/wire/error.h"
#include "controller/controller.h"

#include <stdio.h>

#define NODES_MOST 3
#define CONTROLLERS_MOST 3
#define PRODUCERS 3
#define CONSUMERS 2
#define NAME_SIZE 16
#define STORM_NS (20 * NS_PER_SECOND)
#define ROT_NS (15 * NS_PER_SECOND)
#define PATIENCE_NS (60 * NS_PER_SECOND)

struct scene {
    struct sim_world *world;
    struct cluster *cluster;
    struct ledger ledger;
    struct watch *watch;
    struct wakeups *wakeups;
    struct nemesis *nemesis;
    struct producer producers[PRODUCERS];
    struct consumer consumers[CONSUMERS];
    struct operator operator;
    struct sim_process *clients[PRODUCERS + CONSUMERS + 1];
    unsigned client_count;
    const char *hosts[NODES_MOST + 1];
    const char *controller_hosts[CONTROLLERS_MOST + 1];
};

static void scene_add_client(struct scene *scene, const char *kind, unsigned number, const struct sim_program *program)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s-%u", kind, number);
    scene->clients[scene->client_count++] = sim_process_add(scene->world, name, 1, program);
}

static void scene_add_clients(struct scene *scene)
{
    struct prng *prng = sim_prng(scene->world);
    const struct consumer_options consumer_options = {.ledger = &scene->ledger,
                                                      .hosts = scene->hosts,
                                                      .port = CLUSTER_NODE_PORT,
                                                      .pace_most_ns = 300 * NS_PER_MS};
    const struct operator_options operator_options = {.ledger = &scene->ledger,
                                                      .hosts = scene->hosts,
                                                      .port = CLUSTER_NODE_PORT,
                                                      .controllers = scene->controller_hosts,
                                                      .controller_port = CLUSTER_CONTROLLER_PORT,
                                                      .pace_most_ns = 1500 * NS_PER_MS,
                                                      .partitions = 1 + (int32_t)prng_below(prng, 3)};

    for (unsigned i = 0; i < PRODUCERS; i++) {
        const struct producer_options options = {.ledger = &scene->ledger,
                                                 .hosts = scene->hosts,
                                                 .port = CLUSTER_NODE_PORT,
                                                 .idempotent = i > 0,
                                                 .window =
                                                     i > 0 ? 1 + (unsigned)prng_below(prng, PRODUCER_WINDOW_MAX) : 1,
                                                 .pace_most_ns = 150 * NS_PER_MS};

        producer_init(&scene->producers[i], &options);
        scene_add_client(scene, "producer", i + 1, &scene->producers[i].program);
    }
    for (unsigned i = 0; i < CONSUMERS; i++) {
        consumer_init(&scene->consumers[i], &consumer_options);
        scene_add_client(scene, "consumer", i + 1, &scene->consumers[i].program);
    }
    operator_init(&scene->operator, &operator_options);
    scene_add_client(scene, "operator", 1, &scene->operator.program);
}

static void scene_open(struct scene *scene, const struct sim_options *options)
{
    static const char *const controller_settings[] = {"metadata.log.max.record.bytes.between.snapshots=4000", NULL};
    static const char *const node_settings[] = {"log.retention.check.interval.ms=1500",
                                                "log.flush.offset.checkpoint.interval.ms=3000", NULL};
    struct cluster_options cluster_options = {.controller_settings = controller_settings,
                                              .node_settings = node_settings};

    scene->world = sim_world_create(options);
    cluster_options.controllers = prng_below(sim_prng(scene->world), 4) == 0 ? 1 : 3;
    cluster_options.nodes = 1 + (unsigned)prng_below(sim_prng(scene->world), NODES_MOST);
    cluster_options.loops = 1 + (unsigned)prng_below(sim_prng(scene->world), 3);
    scene->cluster = cluster_create(scene->world, &cluster_options);
    for (unsigned i = 0; i < cluster_options.nodes; i++) {
        scene->hosts[i] = sim_process_name(cluster_node(scene->cluster, i));
    }
    for (unsigned i = 0; i < cluster_options.controllers; i++) {
        scene->controller_hosts[i] = sim_process_name(cluster_controller(scene->cluster, i));
    }
    ledger_init(&scene->ledger, scene->world);
    scene->watch = watch_create(scene->world, scene->cluster, &scene->ledger);
    scene->wakeups = wakeups_create(scene->world, scene->cluster);
    scene_add_clients(scene);
}

static void scene_close(struct scene *scene)
{
    sim_world_destroy(scene->world);
    cluster_destroy(scene->cluster);
    watch_destroy(scene->watch);
    wakeups_destroy(scene->wakeups);
    ledger_deinit(&scene->ledger);
    if (scene->nemesis != NULL) {
        nemesis_destroy(scene->nemesis);
    }
}

static void scene_stop_member(void *context, struct sim_process *process)
{
    cluster_stop(context, process);
}

static void scene_promised(void *context)
{
    const struct scene *scene = context;

    nemesis_promised(scene->nemesis);
}

/* Most storms are of crashes, networks and clocks; some have bad disks, too, and a few have disks that rot: see
 * scene_survives_rot for what is promised then. */
static struct nemesis_options scene_draw_faults(struct scene *scene)
{
    struct prng *prng = sim_prng(scene->world);
    const uint64_t kind = prng_below(prng, 10);
    struct nemesis_options faults = nemesis_options_all();

    faults.gap_most_ns = (1 + prng_below(prng, 4)) * NS_PER_SECOND;
    faults.duration_most_ns = (2 + prng_below(prng, 12)) * NS_PER_SECOND;
    faults.members = cluster_controller_count(scene->cluster) + cluster_node_count(scene->cluster);
    faults.stop = scene_stop_member;
    faults.context = scene->cluster;
    faults.may[NEMESIS_DISK_ERRORS] = kind >= 6 && kind <= 8;
    faults.may[NEMESIS_FULL_DISK] = kind >= 7 && kind <= 8;
    faults.may[NEMESIS_ROT] = kind == 9;
    scene->ledger.rot = kind == 9;
    if (scene->ledger.rot) {
        /* The disks of the nodes and of one controller that is one of three, so that the others can go on. */
        faults.rot_first = cluster_controller_count(scene->cluster) > 1 ? cluster_controller_count(scene->cluster) - 1
                                                                         : cluster_controller_count(scene->cluster);
    }
    /* A third aims at what was just promised. */
    faults.promise_first = cluster_controller_count(scene->cluster);
    faults.sharp = kind % 3 == 0 && kind < 9;
    faults.may[NEMESIS_PROMISE] = faults.sharp;
    faults.may[NEMESIS_LOST_SYNC] = faults.sharp;
    /* Some storms are of few kinds. */
    for (int i = 0; prng_below(prng, 3) == 0 && i < NEMESIS_DISTURBANCES; i++) {
        faults.may[i] = faults.may[i] && prng_below(prng, 2) == 0;
    }
    return faults;
}

static void scene_disturb(struct scene *scene)
{
    const struct nemesis_options faults = scene_draw_faults(scene);
    struct sim_process *processes[SIM_PROCESSES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < cluster_controller_count(scene->cluster); i++) {
        processes[count++] = cluster_controller(scene->cluster, i);
    }
    for (unsigned i = 0; i < cluster_node_count(scene->cluster); i++) {
        processes[count++] = cluster_node(scene->cluster, i);
    }
    for (unsigned i = 0; i < scene->client_count; i++) {
        processes[count++] = scene->clients[i];
    }
    if (faults.may[NEMESIS_FULL_DISK]) {
        wakeups_spare_syncs(scene->wakeups);
    }
    scene->nemesis = nemesis_create(scene->world, processes, count, &faults);
    scene->ledger.promised = scene_promised;
    scene->ledger.promised_context = scene;
}

/* Runs until `reached`, or the world fails, saying what did not happen. */
static bool scene_wait(struct scene *scene, bool (*reached)(void *context), void *context, const char *what)
{
    const bool happened = sim_run_until(scene->world, reached, context, PATIENCE_NS);

    if (!happened) {
        sim_fail(scene->world, "%s: not within %llu s", what, (unsigned long long)(PATIENCE_NS / NS_PER_SECOND));
    }
    return happened;
}

static bool scene_has_active_controller(void *context)
{
    const struct scene *scene = context;
    bool active = false;

    for (unsigned i = 0; i < cluster_controller_count(scene->cluster); i++) {
        const struct controller *controller = cluster_controller_running(scene->cluster, i);

        active = active || (controller != NULL && controller_is_active(controller));
    }
    return active;
}

/* After the storm: is the cluster of use? */
static bool scene_recovers(struct scene *scene)
{
    bool well = scene_wait(scene, cluster_ready, scene->cluster, "a controller is active and all nodes are ready");

    operator_finish(&scene->operator);
    well = well && scene_wait(scene, operator_is_finished, &scene->operator, "a topic is created");
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producer_finish(&scene->producers[i]);
    }
    for (unsigned i = 0; well && i < PRODUCERS; i++) {
        well = scene_wait(scene, producer_is_finished, &scene->producers[i],
                          i == 0 ? "every partition takes a record" : "every record of an idempotent producer is kept");
    }
    return well;
}

static bool scene_keeps_promises(struct scene *scene)
{
    bool well;

    consumer_verify(&scene->consumers[0]);
    well = scene_wait(scene, consumer_has_verified, &scene->consumers[0], "every partition is read to its end") &&
           scene_wait(scene, watch_images_agree, scene->watch, "all controllers and nodes have the same metadata");
    if (well) {
        ledger_audit_order(&scene->ledger);
        operator_audit(&scene->operator, controller_image(cluster_controller_running(scene->cluster, 0)));
    }
    return well && sim_failure(scene->world) == NULL;
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

/* The orderly stop: what a process leaves behind is a failure of the world. */
static bool scene_ends(struct scene *scene)
{
    nemesis_leave(scene->nemesis);
    for (unsigned i = 0; i < cluster_node_count(scene->cluster); i++) {
        if (cluster_node_running(scene->cluster, i) != NULL) {
            cluster_stop(scene->cluster, cluster_node(scene->cluster, i));
        }
    }
    sim_run_for(scene->world, sim_between(scene->world, 0, 5 * NS_PER_SECOND));
    for (unsigned i = 0; i < cluster_controller_count(scene->cluster); i++) {
        if (cluster_controller_running(scene->cluster, i) != NULL) {
            cluster_stop(scene->cluster, cluster_controller(scene->cluster, i));
        }
    }
    return scene_wait(scene, cluster_is_down, scene->cluster, "all controllers and nodes stop");
}

/* Rot cannot be masked while a partition has one replica: records may be lost, and a node may refuse to start. What
 * holds is that nobody is served bytes that were not sent (every answer is still held against the ledger), that the
 * metadata is whole while a majority of the controllers' disks is, and that nobody aborts. */
static bool scene_survives_rot(struct scene *scene)
{
    bool well;

    operator_finish(&scene->operator);
    well = scene_wait(scene, scene_has_active_controller, scene, "a controller is active");
    consumer_verify(&scene->consumers[0]);
    sim_run_for(scene->world, ROT_NS);
    return well && sim_failure(scene->world) == NULL;
}

static bool scene_play(struct scene *scene)
{
    cluster_start(scene->cluster);
    if (!scene_wait(scene, cluster_ready, scene->cluster, "a controller becomes active and all nodes ready")) {
        return false;
    }
    for (unsigned i = 0; i < scene->client_count; i++) {
        sim_process_start(scene->clients[i]);
    }
    scene_disturb(scene);
    sim_run_for(scene->world, STORM_NS);
    nemesis_rest(scene->nemesis);
    if (sim_failure(scene->world) != NULL) {
        return false;
    }
    return scene->ledger.rot ? scene_survives_rot(scene)
                             : scene_recovers(scene) && scene_keeps_promises(scene) && scene_ends(scene);
}

static void scene_tally(const struct scene *scene, struct tally *tally)
{
    const struct watch_counts *watched = watch_counts_get(scene->watch);
    char name[TALLY_NAME_SIZE];
    uint64_t again = 0;
    uint64_t unanswered = 0;

    for (unsigned i = 0; i < PRODUCERS; i++) {
        again += scene->producers[i].acknowledged_again;
        unanswered += scene->producers[i].unanswered;
    }
    tally_add(tally, "records acknowledged", scene->ledger.acknowledged);
    tally_add(tally, "records read", scene->consumers[0].records + scene->consumers[1].records);
    tally_add(tally, "batches acknowledged after a retry", again);
    tally_add(tally, "batches not answered", unanswered);
    tally_add(tally, "damaged batches noticed", scene->consumers[0].damaged + scene->consumers[1].damaged);
    tally_add(tally, "rotten answers", scene->ledger.rotten);
    tally_add(tally, "orders carried out", scene->operator.done);
    tally_add(tally, "topics", (uint64_t)scene->ledger.topic_count);
    tally_add(tally, "terms with a leader", watched->terms);
    tally_add(tally, "metadata entries", watched->entries);
    tally_add(tally, "metadata images compared", watched->images);
    tally_add(tally, "snapshots installed", watched->installs);
    for (int i = 0; scene->nemesis != NULL && i < NEMESIS_DISTURBANCES; i++) {
        snprintf(name, sizeof(name), "fault: %s", nemesis_name((enum disturbance)i));
        tally_add(tally, name, nemesis_counts(scene->nemesis)[i]);
    }
    for (int16_t i = 1; i < LEDGER_ERRORS_MAX; i++) {
        if (scene->ledger.errors[i] > 0) {
            snprintf(name, sizeof(name), "error: %s", kafka_error_name(i));
            tally_add(tally, name, scene->ledger.errors[i]);
        }
    }
}

void workload_cluster(const struct sim_options *options, struct verdict *verdict)
{
    struct scene scene = {0};

    scene_open(&scene, options);
    verdict_take(verdict, scene.world, scene_play(&scene));
    scene_tally(&scene, &verdict->tally);
    sim_say(scene.world, "%llu records were acknowledged, %llu terms had a leader",
            (unsigned long long)scene.ledger.acknowledged,
            (unsigned long long)watch_counts_get(scene.watch)->terms);
    scene_close(&scene);
}
