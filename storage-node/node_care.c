/* What a node does beside serving: checkpoints of recovery points and log starts. Every loop writes down its
 * partitions, a worker writes the files. */
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/node_private.h"

#include <stdio.h>

struct checkpoint_lines {
    struct checkpoint_draft recovery;
    struct checkpoint_draft start;
    struct checkpoint_draft owners; /* of which topics the lines of both speak */
    bool unsettled; /* a partition is not open yet, or could not be opened */
};

/* One for each loop and directory: loops fill their own. */
struct checkpoint {
    struct env_job job;
    struct node *node;
    void (*done)(struct node *node);
    size_t directory_count;
    struct checkpoint_lines *lines; /* [loop][directory] */
    bool *skip;                     /* [directory] */
    bool *asked;                    /* [directory]: loops have heard of all partitions that lie there */
    enum status status;
};

static struct checkpoint_lines *checkpoint_lines_of(struct checkpoint *checkpoint, uint32_t loop, size_t directory)
{
    return &checkpoint->lines[loop * checkpoint->directory_count + directory];
}

static void checkpoint_add(struct checkpoint_lines *lines, struct checkpoint_entry *entry, int64_t recovery_point,
                           int64_t log_start_offset)
{
    checkpoint_draft_add_owner(&lines->owners, entry);
    entry->offset = recovery_point;
    checkpoint_draft_add(&lines->recovery, entry);
    entry->offset = log_start_offset;
    if (entry->offset > 0) {
        checkpoint_draft_add(&lines->start, entry);
    }
}

/* A partition on the disk that the metadata has not named yet. */
static void checkpoint_add_unasked(void *context, uint16_t directory, struct string topic, int32_t partition,
                                   struct uuid owner, int64_t recovery_point, int64_t log_start_offset)
{
    struct checkpoint_entry entry = {.topic = topic, .partition = partition, .owner = owner};

    checkpoint_add(checkpoint_lines_of(context, 0, directory), &entry, recovery_point, log_start_offset);
}

static void shard_collect_checkpoint(struct shard *shard, struct round *round)
{
    struct checkpoint *checkpoint = round->context;
    const struct partition *partition;
    size_t at = 0;

    while ((partition = map_next(&shard->replicas.partitions, &at)) != NULL) {
        struct checkpoint_lines *lines = checkpoint_lines_of(checkpoint, shard->index, partition->directory);
        struct checkpoint_entry entry = {.topic = string_of(partition->topic->name),
                                         .partition = partition->index,
                                         .owner = partition->topic->id};

        lines->unsettled = lines->unsettled || partition->state != PARTITION_ONLINE;
        if (partition->log == NULL) {
            checkpoint_add(lines, &entry, partition->recovery_point, partition->log_start_offset);
        } else if (partition->state == PARTITION_ONLINE && partition_log_made(partition->log)) {
            checkpoint_add(lines, &entry, partition_log_durable_end(partition->log),
                           partition_log_start_offset(partition->log));
        }
    }
    round_done(shard, round);
}

static void checkpoint_merge(struct checkpoint_draft *into, const struct checkpoint_draft *from)
{
    buffer_append(&into->lines, from->lines.data, from->lines.size);
    into->count += from->count;
}

static enum status checkpoint_write_directory(struct checkpoint *checkpoint, size_t directory)
{
    struct disk *disk = checkpoint->node->env->disk;
    const char *directory_path = directories_path(checkpoint->node->service.directories, directory);
    struct checkpoint_lines *all = checkpoint_lines_of(checkpoint, 0, directory);
    char path[DISK_PATH_MAX];
    enum status status;

    for (uint32_t loop = 1; loop < checkpoint->node->service.shard_count; loop++) {
        const struct checkpoint_lines *lines = checkpoint_lines_of(checkpoint, loop, directory);

        checkpoint_merge(&all->recovery, &lines->recovery);
        checkpoint_merge(&all->start, &lines->start);
        checkpoint_merge(&all->owners, &lines->owners);
    }
    snprintf(path, sizeof(path), "%s/%s", directory_path, CHECKPOINT_RECOVERY_POINT);
    status = checkpoint_draft_write(&all->recovery, disk, path);
    if (status == STATUS_OK) {
        snprintf(path, sizeof(path), "%s/%s", directory_path, CHECKPOINT_LOG_START);
        status = checkpoint_draft_write(&all->start, disk, path);
    }
    /* Last: until it is there, what the other two say of a topic that was made anew is nobody's. */
    if (status == STATUS_OK) {
        snprintf(path, sizeof(path), "%s/%s", directory_path, CHECKPOINT_OWNERS);
        status = checkpoint_draft_write(&all->owners, disk, path);
    }
    return status;
}

static void checkpoint_work(struct env_job *job)
{
    struct checkpoint *checkpoint = CONTAINER_OF(job, struct checkpoint, job);

    for (size_t directory = 0; directory < checkpoint->directory_count; directory++) {
        if (!checkpoint->skip[directory]) {
            const enum status status = checkpoint_write_directory(checkpoint, directory);

            if (status != STATUS_OK) {
                checkpoint->status = status;
            }
        }
    }
}

/* Once all partitions of a directory have been looked after, a killed process leaves little to do. */
static void checkpoint_say_alive(const struct checkpoint *checkpoint, size_t directory)
{
    struct directories *directories = checkpoint->node->service.directories;

    for (uint32_t loop = 0; loop < checkpoint->node->service.shard_count; loop++) {
        if (checkpoint->lines[loop * checkpoint->directory_count + directory].unsettled) {
            return;
        }
    }
    if (checkpoint->asked[directory]) {
        directories_drop_journal(directories, directory);
        directories_say_alive(directories, directory);
    }
}

static void checkpoint_finished(struct env_job *job)
{
    struct checkpoint *checkpoint = CONTAINER_OF(job, struct checkpoint, job);
    struct node *node = checkpoint->node;
    void (*done)(struct node *node) = checkpoint->done;

    if (checkpoint->status != STATUS_OK) {
        /* Not fatal: an old checkpoint only makes recovery read more. */
        trace_warn("checkpoint_failed", T_STATUS("why", checkpoint->status));
    }
    for (size_t i = 0; i < checkpoint->directory_count; i++) {
        checkpoint_say_alive(checkpoint, i);
    }
    for (size_t i = 0; i < node->service.shard_count * checkpoint->directory_count; i++) {
        checkpoint_draft_deinit(&checkpoint->lines[i].recovery);
        checkpoint_draft_deinit(&checkpoint->lines[i].start);
        checkpoint_draft_deinit(&checkpoint->lines[i].owners);
    }
    memory_free(checkpoint->lines);
    memory_free(checkpoint->skip);
    memory_free(checkpoint->asked);
    memory_free(checkpoint);
    node->checkpointing = false;
    if (done != NULL) {
        done(node);
    } else if (node->state == NODE_STARTING || node->state == NODE_RUNNING) {
        env_timer_start(node->env, &node->checkpoint_timer,
                        (uint64_t)config_int64(node->options.config,
                                               "log.flush.offset.checkpoint.interval.ms") * NS_PER_MS);
    }
}

static void checkpoint_collected(struct round *round)
{
    struct checkpoint *checkpoint = round->context;

    checkpoint->job.work = checkpoint_work;
    checkpoint->job.done = checkpoint_finished;
    env_submit(checkpoint->node->env, ENV_LANE_BACKGROUND, &checkpoint->job);
    round_destroy(round);
}

void node_checkpoint_start(struct node *node, void (*done)(struct node *node))
{
    struct checkpoint *checkpoint = memory_alloc_zero(1, sizeof(*checkpoint));

    node->checkpointing = true;
    checkpoint->node = node;
    checkpoint->done = done;
    checkpoint->directory_count = directories_count(node->service.directories);
    checkpoint->lines = memory_alloc_zero(node->service.shard_count * checkpoint->directory_count,
                                          sizeof(*checkpoint->lines));
    for (size_t i = 0; i < node->service.shard_count * checkpoint->directory_count; i++) {
        checkpoint_draft_init(&checkpoint->lines[i].recovery);
        checkpoint_draft_init(&checkpoint->lines[i].start);
        checkpoint_draft_init(&checkpoint->lines[i].owners);
    }
    directories_unasked(node->service.directories, checkpoint_add_unasked, checkpoint);
    checkpoint->skip = memory_alloc_zero(checkpoint->directory_count, sizeof(*checkpoint->skip));
    checkpoint->asked = memory_alloc_zero(checkpoint->directory_count, sizeof(*checkpoint->asked));
    for (size_t i = 0; i < checkpoint->directory_count; i++) {
        checkpoint->skip[i] = directories_failed(node->service.directories, i);
        checkpoint->asked[i] = directories_may_be_clean(node->service.directories, i);
    }
    round_start(&node->service, shard_collect_checkpoint, checkpoint_collected, checkpoint);
}

static void node_checkpoint_due(void *context)
{
    struct node *node = context;

    if (!node->checkpointing) {
        node_checkpoint_start(node, NULL);
    }
}

void node_checkpoint_init(struct node *node)
{
    env_timer_init(&node->checkpoint_timer, node_checkpoint_due, node);
    env_timer_start(node->env, &node->checkpoint_timer,
                    (uint64_t)config_int64(node->options.config,
                                           "log.flush.offset.checkpoint.interval.ms") * NS_PER_MS);
}
