/* See stage.h. */
#include "tests/sim/stage.h"

#include "common/base/assert.h"
#include "controller/controller.h"
#include "storage-node/node_private.h"
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LEADERS_MAX 64
#define NODE_ID_FIRST 101
#define LINE_MAX 256

/* What was told last of a controller. */
struct seen_controller {
    bool running;
    bool active;
};

/* ... of a node. */
struct seen_node {
    bool running;
    uint32_t incarnation;
    bool ready;
    bool fenced;
};

/* ... of a partition. */
struct seen_partition {
    struct uuid topic_id;
    int32_t index;
    int32_t leader;     /* -1: none, -2: not looked at yet */
    uint32_t opened_in; /* the incarnation of the node whose log was told; 0: it is new */
};

struct stage {
    struct stage_options options;
    struct sim_world *world;
    struct cluster *cluster;
    struct script_client client;
    struct sim_process *client_process;
    const char *hosts[CLUSTER_NODES_MAX + 1];
    uint64_t began_ns;
    int64_t image_offset; /* of the newest metadata that was looked at */
    struct seen_controller controllers[CLUSTER_CONTROLLERS_MAX];
    struct seen_node nodes[CLUSTER_NODES_MAX];
    struct seen_partition partitions[LEADERS_MAX];
    size_t partition_count;
    bool (*reached)(void *context);
    void *reached_context;
};

void stage_name(const struct sim_process *process, char name[64])
{
    char *dash;

    snprintf(name, 64, "%s", sim_process_name(process));
    dash = strchr(name, '-');
    if (dash != NULL) {
        *dash = ' ';
    }
}

void stage_say(struct stage *stage, const char *format, ...)
{
    char line[LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    sim_say(stage->world, "=== %s", line);
    stage->options.tell(stage->options.context, (sim_now_ns(stage->world) - stage->began_ns) / NS_PER_MS, line);
}

static void stage_client_tells(void *context, const char *text)
{
    stage_say(context, "the client tries again: %s", text);
}

/* --- what the narrator sees --- */

static void stage_see_controller(struct stage *stage, unsigned index)
{
    struct seen_controller *seen = &stage->controllers[index];
    const struct controller *controller = cluster_controller_running(stage->cluster, index);
    const bool running = sim_process_running(cluster_controller(stage->cluster, index));
    const bool active = controller != NULL && controller_is_active(controller);

    if (seen->running && !running) {
        stage_say(stage, "controller %u is down", index + 1);
    } else if (active && !seen->active) {
        stage_say(stage, "controller %u is the active controller", index + 1);
    } else if (running && seen->active && !active) {
        stage_say(stage, "controller %u is not active any more", index + 1);
    }
    seen->running = running;
    seen->active = active;
}

static void stage_see_node(struct stage *stage, unsigned index)
{
    struct seen_node *seen = &stage->nodes[index];
    const struct node *node = cluster_node_running(stage->cluster, index);
    const bool running = sim_process_running(cluster_node(stage->cluster, index));
    const bool ready = node != NULL && node_ready(node);

    if (seen->running && !running) {
        stage_say(stage, "node %u is down", index + 1);
    }
    if (!seen->running && running) {
        seen->incarnation++;
    }
    /* In which order they get ready for the first time is chance and of no interest. */
    if (ready && !seen->ready && seen->incarnation > 1) {
        stage_say(stage, "node %u is ready", index + 1);
    }
    seen->running = running;
    seen->ready = ready;
}

static struct seen_partition *stage_partition(struct stage *stage, struct uuid topic_id, int32_t index)
{
    struct seen_partition *seen = stage->partitions;

    for (; seen < stage->partitions + stage->partition_count; seen++) {
        if (seen->index == index && uuid_equal(seen->topic_id, topic_id)) {
            return seen;
        }
    }
    ASSERT(stage->partition_count < LEADERS_MAX);
    *seen = (struct seen_partition){.topic_id = topic_id, .index = index, .leader = -2};
    stage->partition_count++;
    return seen;
}

static void stage_see_leader(struct stage *stage, const struct topic_image *topic, int32_t index, int32_t leader)
{
    struct seen_partition *seen = stage_partition(stage, topic_image_id(topic), index);
    const struct string name = topic_image_name(topic);

    if (seen->leader == leader) {
        return;
    }
    /* Where a new partition is put is chance. */
    if (leader < 0) {
        stage_say(stage, "%.*s %" PRId32 " has no leader", (int)name.size, name.data, index);
    } else if (seen->leader >= -1) {
        stage_say(stage, "%.*s %" PRId32 " is led by node %" PRId32, (int)name.size, name.data, index,
                  leader - NODE_ID_FIRST + 1);
    }
    seen->leader = leader;
}

/* The newest metadata that any running controller has, or NULL. */
static const struct image *stage_image(struct stage *stage)
{
    const struct image *newest = NULL;

    for (unsigned i = 0; i < cluster_controller_count(stage->cluster); i++) {
        const struct controller *controller = cluster_controller_running(stage->cluster, i);
        const struct image *image = controller != NULL ? controller_image(controller) : NULL;

        if (image != NULL && (newest == NULL || image_offset(image) > image_offset(newest))) {
            newest = image;
        }
    }
    return newest;
}

static void stage_see_metadata(struct stage *stage)
{
    const struct image *image = stage_image(stage);

    if (image == NULL || image_offset(image) <= stage->image_offset) {
        return;
    }
    stage->image_offset = image_offset(image);
    for (unsigned i = 0; i < cluster_node_count(stage->cluster); i++) {
        const struct broker_image *broker = image_broker(image, NODE_ID_FIRST + (int32_t)i);

        if (broker != NULL && stage->nodes[i].ready && broker->fenced != stage->nodes[i].fenced) {
            stage_say(stage, "node %u is %s", i + 1, broker->fenced ? "fenced" : "no longer fenced");
        }
        stage->nodes[i].fenced = broker != NULL && broker->fenced;
    }
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;

        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            stage_see_leader(stage, topic, j, partition.leader);
        }
    }
}

/* After a start the logs that were there before. */
static void stage_see_logs(struct stage *stage, unsigned index)
{
    const struct node *node = cluster_node_running(stage->cluster, index);

    for (uint32_t i = 0; node != NULL && i < node->service.shard_count; i++) {
        const struct replica_set *set = &node->service.shards[i].replicas;
        const struct partition *partition;
        size_t at = 0;

        while ((partition = map_next(&set->partitions, &at)) != NULL) {
            struct seen_partition *seen;

            if (partition->state != PARTITION_ONLINE || partition->log == NULL) {
                continue;
            }
            seen = stage_partition(stage, partition->topic->id, partition->index);
            if (seen->opened_in == 0) {
                seen->opened_in = stage->nodes[index].incarnation;
            }
            if (seen->opened_in != stage->nodes[index].incarnation) {
                seen->opened_in = stage->nodes[index].incarnation;
                stage_say(stage, "node %u opened %s %" PRId32 ": offsets %" PRId64 " to %" PRId64 "%s", index + 1,
                          partition->topic->name, partition->index, partition_log_start_offset(partition->log),
                          partition_log_end_offset(partition->log),
                          partition_log_cut_bytes(partition->log) > 0 ? ", a torn tail was cut" : "");
            }
        }
    }
}

static void stage_see(struct stage *stage)
{
    for (unsigned i = 0; i < cluster_controller_count(stage->cluster); i++) {
        stage_see_controller(stage, i);
    }
    for (unsigned i = 0; i < cluster_node_count(stage->cluster); i++) {
        stage_see_node(stage, i);
        stage_see_logs(stage, i);
    }
    stage_see_metadata(stage);
}

/* --- running --- */

static bool stage_look(void *context)
{
    struct stage *stage = context;

    stage_see(stage);
    return stage->reached(stage->reached_context);
}

bool stage_run_until(struct stage *stage, bool (*reached)(void *context), void *context, uint64_t limit_ns)
{
    stage->reached = reached;
    stage->reached_context = context;
    stage_see(stage);
    return sim_run_until(stage->world, stage_look, stage, limit_ns);
}

static bool stage_never(void *context)
{
    (void)context;
    return false;
}

void stage_run_for(struct stage *stage, uint64_t duration_ns)
{
    /* Only the time ends it. */
    (void)!stage_run_until(stage, stage_never, NULL, duration_ns);
}

static bool errand_is_done(void *context)
{
    const struct errand *errand = context;

    return errand->done;
}

static bool client_is_up(void *context)
{
    const struct script_client *client = context;

    return client->run != NULL;
}

void stage_start(struct stage *stage, struct errand *errand)
{
    /* A small cluster is ready before the client has begun. */
    if (stage->client.run == NULL && !stage_run_until(stage, client_is_up, &stage->client, NS_PER_SECOND)) {
        sim_fail(stage->world, "the client does not start");
        errand->done = true;
        return;
    }
    script_client_start(&stage->client, stage->client_process, errand);
}

void stage_do(struct stage *stage, struct errand *errand)
{
    stage_start(stage, errand);
    if (!stage_run_until(stage, errand_is_done, errand, 600 * NS_PER_SECOND)) {
        sim_fail(stage->world, "the client does not come back from an errand");
    }
}

void stage_begin(struct stage *stage)
{
    stage->began_ns = sim_now_ns(stage->world);
}

/* --- asking --- */

struct sim_world *stage_world(struct stage *stage)
{
    return stage->world;
}

struct cluster *stage_cluster(struct stage *stage)
{
    return stage->cluster;
}

struct sim_process *stage_client(struct stage *stage)
{
    return stage->client_process;
}

struct sim_process *stage_active_controller(struct stage *stage)
{
    struct sim_process *found = NULL;
    int64_t offset = -1;

    for (unsigned i = 0; i < cluster_controller_count(stage->cluster); i++) {
        const struct controller *controller = cluster_controller_running(stage->cluster, i);

        if (controller != NULL && controller_is_active(controller) &&
            image_offset(controller_image(controller)) > offset) {
            offset = image_offset(controller_image(controller));
            found = cluster_controller(stage->cluster, i);
        }
    }
    return found;
}

struct sim_process *stage_leader(struct stage *stage, const char *topic, int32_t partition)
{
    const struct image *image = stage_image(stage);
    const struct topic_image *found = image != NULL ? image_topic_by_name(image, string_of(topic)) : NULL;
    struct partition_image row;

    if (found == NULL || !topic_image_partition(found, partition, &row) || row.leader < NODE_ID_FIRST) {
        return NULL;
    }
    return cluster_node(stage->cluster, (unsigned)(row.leader - NODE_ID_FIRST));
}

bool stage_has_topic(struct stage *stage, const char *topic)
{
    const struct image *image = stage_image(stage);

    return image != NULL && image_topic_by_name(image, string_of(topic)) != NULL;
}

/* --- life --- */

struct stage *stage_create(const struct stage_options *options)
{
    struct stage *stage = sim_alloc(sizeof(*stage));
    const struct cluster_options cluster_options = {.controllers = options->controllers,
                                                    .nodes = options->nodes,
                                                    .loops = options->loops,
                                                    .controller_settings = options->controller_settings,
                                                    .node_settings = options->node_settings};

    stage->options = *options;
    stage->image_offset = -1;
    stage->world = sim_world_create(&(struct sim_options){.seed = options->seed, .narrate = options->trace});
    stage->cluster = cluster_create(stage->world, &cluster_options);
    for (unsigned i = 0; i < options->nodes; i++) {
        stage->hosts[i] = sim_process_name(cluster_node(stage->cluster, i));
    }
    script_client_init(&stage->client, stage->hosts, CLUSTER_NODE_PORT, stage_client_tells, stage);
    stage->client_process = sim_process_add(stage->world, "client", 1, &stage->client.program);
    sim_process_start(stage->client_process);
    return stage;
}

void stage_destroy(struct stage *stage)
{
    sim_world_destroy(stage->world);
    cluster_destroy(stage->cluster);
    sim_free(stage);
}
