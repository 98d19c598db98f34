/* See wakeups.h. */
#include "tests/sim/wakeups.h"

#include "storage-node/node_private.h"
#include "tests/sim/world.h"

#include <inttypes.h>

#define LOOK_LEAST_NS (2 * NS_PER_MS)
#define LOOK_MOST_NS (40 * NS_PER_MS)

struct wakeups {
    struct sim_world *world;
    struct cluster *cluster;
    bool disks_fill;
};

static void wakeups_fail(struct wakeups *wakeups, const char *node, const struct partition *partition,
                         const char *what, int64_t offset)
{
    sim_fail(wakeups->world, "%s, %s-%" PRId32 ": %s %" PRId64 " (high watermark %" PRId64 ", written to %" PRId64 ")",
             node, partition->topic->name, partition->index, what, offset, partition->high_watermark,
             partition_log_written_end(partition->log));
}

static void wakeups_look_at(struct wakeups *wakeups, const char *node, const struct partition *partition)
{
    LIST_EACH(link, &partition->watches)
    {
        const struct fetch_watch *watch = LIST_ENTRY(link, struct fetch_watch, link);

        if (partition_watch_is_due(partition, watch)) {
            wakeups_fail(wakeups, node, partition, "a fetch waits for records behind", watch->offset);
            return;
        }
    }
    LIST_EACH(link, &partition->appends)
    {
        const struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);
        const int64_t kept =
            wait->committed ? partition->high_watermark : partition_log_written_end(partition->log);

        if (wait->end_offset <= kept) {
            wakeups_fail(wakeups, node, partition, "a produce waits for what is kept, up to", wait->end_offset);
            return;
        }
    }
    if (!wakeups->disks_fill && partition->syncing &&
        partition->sync.offset > partition_log_durable_end(partition->log) &&
        partition_log_failure(partition->log) == STATUS_OK && !partition_log_syncing(partition->log)) {
        wakeups_fail(wakeups, node, partition, "nobody syncs what is waited for, up to", partition->sync.offset);
    }
}

static void wakeups_look(void *context)
{
    struct wakeups *wakeups = context;

    for (unsigned i = 0; i < cluster_node_count(wakeups->cluster); i++) {
        const struct node *node = cluster_node_running(wakeups->cluster, i);

        for (uint32_t j = 0; node != NULL && node->state == NODE_RUNNING && j < node->service.shard_count; j++) {
            const struct partition *partition;
            size_t at = 0;

            while ((partition = map_next(&node->service.shards[j].replicas.partitions, &at)) != NULL) {
                if (partition->state == PARTITION_ONLINE && partition->log != NULL) {
                    wakeups_look_at(wakeups, sim_process_name(cluster_node(wakeups->cluster, i)), partition);
                }
            }
        }
    }
    sim_at(wakeups->world, sim_between(wakeups->world, LOOK_LEAST_NS, LOOK_MOST_NS), wakeups_look, wakeups);
}

struct wakeups *wakeups_create(struct sim_world *world, struct cluster *cluster)
{
    struct wakeups *wakeups = sim_alloc(sizeof(*wakeups));

    *wakeups = (struct wakeups){.world = world, .cluster = cluster};
    sim_at(world, LOOK_LEAST_NS, wakeups_look, wakeups);
    return wakeups;
}

void wakeups_destroy(struct wakeups *wakeups)
{
    sim_free(wakeups);
}

void wakeups_spare_syncs(struct wakeups *wakeups)
{
    wakeups->disks_fill = true;
}
