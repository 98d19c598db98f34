/* Topics that let go of old records by age, by size and when told so (DeleteRecords), on a node that crashes and whose
 * wall clock leaps ahead. What is taken is what was given up, and nothing more:
 *
 *     T1 a record that is younger than retention.ms is there, as far as clocks agree
 *     T2 what retention leaves is at least retention.bytes
 *     T3 the start of a log never goes back, if a checkpoint came between
 *     T4 in the end it does take what is old
 */
#include "storage-node/node_private.h"
#include "tests/sim/stage.h"
#include "tests/sim/workload.h"

#include <inttypes.h>
#include <string.h>

#define STEPS 40
#define BATCHES_MAX (STEPS + 1)
#define RETENTION_MS 60000
#define RETENTION_BYTES 20000
#define LEAP_MS_MOST 40000
#define RECORDS_MOST 150
#define SEGMENT_MS 20000 /* of the topic by age */
/* Retention and rolls are checked for every second. */
#define SOON_NS (10 * NS_PER_SECOND)
#define PATIENCE_NS (60 * NS_PER_SECOND)
/* By then a checkpoint was written. */
#define CHECKPOINT_NS (3 * NS_PER_SECOND)

enum kind { BY_AGE, BY_SIZE, BY_ORDER, KINDS };

struct retained_batch {
    int64_t offset;
    int64_t timestamp_ms;
};

struct retained_topic {
    const char *name;
    struct retained_batch batches[BATCHES_MAX];
    size_t batch_count;
    int64_t start;
    int64_t end;
};

struct retention {
    struct sim_world *world;
    struct stage *stage;
    struct prng *prng;
    struct errand errand;
    struct retained_topic topics[KINDS];
    int64_t leaped_ms;
};

static void retention_told(void *context, uint64_t ms, const char *text)
{
    (void)context;
    (void)ms;
    (void)text;
}

/* The wall clock of client and node. */
static int64_t retention_now_ms(const struct retention *retention)
{
    return SIM_WALL_START_MS + (int64_t)(sim_now_ns(retention->world) / NS_PER_MS) + retention->leaped_ms;
}

static bool retention_do(struct retention *retention)
{
    retention->errand.patience_ns = PATIENCE_NS;
    stage_do(retention->stage, &retention->errand);
    if (!retention->errand.good) {
        sim_fail(retention->world, "%s: %s", retention->errand.topic, retention->errand.refusal);
    }
    return sim_failure(retention->world) == NULL;
}

static bool retention_create(struct retention *retention)
{
    static const char *const names[KINDS] = {[BY_AGE] = "by-age", [BY_SIZE] = "by-size", [BY_ORDER] = "by-order"};
    static const char *const settings[KINDS][3] = {[BY_AGE] = {"retention.ms=60000", "segment.ms=20000", NULL},
                                                   [BY_SIZE] = {"retention.bytes=20000", "segment.ms=5000", NULL},
                                                   [BY_ORDER] = {"segment.ms=30000", NULL}};
    bool well = true;

    for (int i = 0; i < KINDS && well; i++) {
        retention->topics[i].name = names[i];
        retention->errand = (struct errand){
            .kind = ERRAND_CREATE_TOPIC, .topic = names[i], .partitions = 1, .settings = settings[i]};
        well = retention_do(retention);
    }
    return well;
}

static bool retention_produce(struct retention *retention, struct retained_topic *topic)
{
    struct retained_batch *batch = &topic->batches[topic->batch_count++];
    /* The attempt that succeeds is not made earlier. */
    const int64_t begun_ms = retention_now_ms(retention);

    retention->errand = (struct errand){.kind = ERRAND_PRODUCE,
                                        .topic = topic->name,
                                        .value = STRING("something to keep for a while"),
                                        .count = 1 + (int32_t)prng_below(retention->prng, RECORDS_MOST),
                                        .acks = -1,
                                        .producer_id = -1};
    if (!retention_do(retention)) {
        return false;
    }
    *batch = (struct retained_batch){.offset = retention->errand.first_offset, .timestamp_ms = begun_ms};
    return true;
}

static const struct partition *retention_partition(const struct retention *retention, const char *name)
{
    const struct node *node = cluster_node_running(stage_cluster(retention->stage), 0);

    for (uint32_t i = 0; node != NULL && i < node->service.shard_count; i++) {
        const struct partition *partition;
        size_t at = 0;

        while ((partition = map_next(&node->service.shards[i].replicas.partitions, &at)) != NULL) {
            if (strcmp(partition->topic->name, name) == 0 && partition->state == PARTITION_ONLINE) {
                return partition;
            }
        }
    }
    return NULL;
}

static void retention_check_age(struct retention *retention, const struct retained_topic *topic)
{
    for (size_t i = 0; i < topic->batch_count; i++) {
        const int64_t age_ms = retention_now_ms(retention) - topic->batches[i].timestamp_ms;

        /* The client's clock gave the timestamp, the node's decides about it. */
        if (topic->batches[i].offset < topic->start && age_ms + 2 * SIM_CLOCK_SKEW_MS < RETENTION_MS) {
            sim_fail(retention->world, "%s begins at %" PRId64 ", but offset %" PRId64 " is only %" PRId64 " ms old",
                     topic->name, topic->start, topic->batches[i].offset, age_ms);
            return;
        }
    }
}

static bool retention_check(struct retention *retention, enum kind kind)
{
    struct retained_topic *topic = &retention->topics[kind];
    const struct partition *partition;

    retention->errand = (struct errand){.kind = ERRAND_OFFSETS, .topic = topic->name};
    if (!retention_do(retention)) {
        return false;
    }
    if (retention->errand.first_offset < topic->start) {
        sim_fail(retention->world, "%s begins at %" PRId64 " again, after %" PRId64, topic->name,
                 retention->errand.first_offset, topic->start);
    }
    topic->start = retention->errand.first_offset;
    topic->end = retention->errand.end_offset;
    partition = retention_partition(retention, topic->name);
    if (kind == BY_AGE) {
        retention_check_age(retention, topic);
    } else if (kind == BY_SIZE && partition != NULL && topic->start > 0 &&
               partition_log_size(partition->log) < RETENTION_BYTES) {
        sim_fail(retention->world, "%s begins at %" PRId64 " and has %" PRIu64 " bytes left of %d", topic->name,
                 topic->start, partition_log_size(partition->log), RETENTION_BYTES);
    }
    return sim_failure(retention->world) == NULL;
}

static void retention_leap(struct retention *retention)
{
    const int64_t ms = (int64_t)prng_below(retention->prng, LEAP_MS_MOST);

    retention->leaped_ms += ms;
    sim_clock_jump(cluster_node(stage_cluster(retention->stage), 0), ms);
    sim_clock_jump(stage_client(retention->stage), ms);
}

static bool retention_delete(struct retention *retention)
{
    struct retained_topic *topic = &retention->topics[BY_ORDER];

    retention->errand = (struct errand){
        .kind = ERRAND_DELETE_RECORDS,
        .topic = topic->name,
        .offset = topic->start + (int64_t)prng_below(retention->prng, (uint64_t)(topic->end - topic->start) + 1)};
    return retention_do(retention);
}

static bool retention_crash(struct retention *retention)
{
    struct sim_process *node = cluster_node(stage_cluster(retention->stage), 0);

    stage_run_for(retention->stage, CHECKPOINT_NS);
    sim_process_crash(node, prng_below(retention->prng, 2) == 0 ? SIM_KILL : SIM_POWER_CUT);
    sim_process_start(node);
    return stage_run_until(retention->stage, cluster_ready, stage_cluster(retention->stage), PATIENCE_NS);
}

static bool retention_step(struct retention *retention)
{
    bool well = true;

    switch (prng_below(retention->prng, 9)) {
    case 0:
        well = retention_crash(retention);
        break;
    case 1:
    case 2:
        retention_leap(retention);
        break;
    case 3:
        well = retention_delete(retention);
        break;
    case 4:
        stage_run_for(retention->stage, sim_between(retention->world, 0, 10 * NS_PER_SECOND));
        break;
    default:
        well = retention_produce(retention, &retention->topics[prng_below(retention->prng, KINDS)]);
        break;
    }
    return well && retention_check(retention, BY_AGE) && retention_check(retention, BY_SIZE) &&
           retention_check(retention, BY_ORDER);
}

/* Everything is older than retention.ms and than a segment may get: soon nothing is left. */
static bool retention_ends(struct retention *retention)
{
    struct retained_topic *topic = &retention->topics[BY_AGE];

    retention->leaped_ms += RETENTION_MS + SEGMENT_MS;
    sim_clock_jump(cluster_node(stage_cluster(retention->stage), 0), RETENTION_MS + SEGMENT_MS);
    sim_clock_jump(stage_client(retention->stage), RETENTION_MS + SEGMENT_MS);
    stage_run_for(retention->stage, SOON_NS);
    if (!retention_check(retention, BY_AGE)) {
        return false;
    }
    if (topic->start != topic->end) {
        sim_fail(retention->world, "%s still has offsets %" PRId64 " to %" PRId64 ", all of them old", topic->name,
                 topic->start, topic->end);
    }
    return sim_failure(retention->world) == NULL;
}

static bool retention_play(struct retention *retention)
{
    bool well;

    cluster_start(stage_cluster(retention->stage));
    well = stage_run_until(retention->stage, cluster_ready, stage_cluster(retention->stage), PATIENCE_NS) &&
           retention_create(retention);
    for (unsigned i = 0; i < STEPS && well; i++) {
        well = retention_step(retention);
    }
    return well && retention_ends(retention);
}

void workload_retention(const struct sim_options *options, struct verdict *verdict)
{
    static const char *const settings[] = {"log.retention.check.interval.ms=1000",
                                           "log.flush.offset.checkpoint.interval.ms=1000", NULL};
    struct retention retention = {.leaped_ms = 0};
    const struct stage_options stage_options = {.seed = options->seed,
                                                .trace = options->narrate,
                                                .controllers = 1,
                                                .nodes = 1,
                                                .loops = 2,
                                                .node_settings = settings,
                                                .tell = retention_told,
                                                .context = &retention};

    retention.stage = stage_create(&stage_options);
    retention.world = stage_world(retention.stage);
    retention.prng = sim_prng(retention.world);
    verdict_take(verdict, retention.world, retention_play(&retention));
    stage_destroy(retention.stage);
}
