/* One replica on its loop: append, group commit, high watermark. */
#include "storage-node/replica/partition.h"

#include "common/base/assert.h"
#include "storage-node/replica/replica_set.h"

static void partition_finish_appends(struct partition *partition, enum status status)
{
    struct list *link = partition->appends.next;
    struct list ready;

    /* Collect first: `done` may append again. The list is ordered by end offset but mixes both kinds of wait. */
    list_init(&ready);
    while (link != &partition->appends) {
        struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);
        const int64_t kept =
            wait->committed ? partition->high_watermark : partition_log_written_end(partition->log);

        link = link->next;
        if (status != STATUS_OK || wait->end_offset <= kept) {
            list_remove(&wait->link);
            list_append(&ready, &wait->link);
        }
    }
    while ((link = list_take_first(&ready)) != NULL) {
        struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);

        wait->done(wait, status);
    }
}

static void partition_wake_watches(struct partition *partition, bool all)
{
    struct list *link = partition->watches.next;
    struct list ready;

    if (list_empty(&partition->watches)) {
        return;
    }
    list_init(&ready);
    while (link != &partition->watches) {
        struct fetch_watch *watch = LIST_ENTRY(link, struct fetch_watch, link);

        link = link->next;
        if (all || partition_watch_is_due(partition, watch)) {
            list_remove(&watch->link);
            list_append(&ready, &watch->link);
        }
    }
    while ((link = list_take_first(&ready)) != NULL) {
        struct fetch_watch *watch = LIST_ENTRY(link, struct fetch_watch, link);

        watch->wake(watch);
    }
}

void partition_watch_load(struct partition *partition, struct load_watch *watch)
{
    ASSERT(partition->state == PARTITION_LOADING);
    list_append(&partition->loads, &watch->link);
}

void partition_tell_loaded(struct partition *partition)
{
    struct list *link;
    struct list ready;

    list_init(&ready);
    while ((link = list_take_first(&partition->loads)) != NULL) {
        list_append(&ready, link);
    }
    while ((link = list_take_first(&ready)) != NULL) {
        struct load_watch *watch = LIST_ENTRY(link, struct load_watch, link);

        watch->loaded(watch);
    }
}

void partition_fail_waiters(struct partition *partition, enum status status)
{
    /* The log borrows what this turn appended from the waiters' requests: it must be through with it before they go. */
    if (partition->log != NULL && partition_log_dirty(partition->log)) {
        (void)!partition_log_flush(partition->log);
    }
    partition_finish_appends(partition, status);
    partition_wake_watches(partition, true);
    partition_tell_loaded(partition);
}

void partition_set_role(struct partition *partition, bool leader, int32_t leader_epoch)
{
    ASSERT(partition->state == PARTITION_ONLINE);
    if (leader && leader_epoch > partition->leader_epoch) {
        partition_log_start_epoch(partition->log, leader_epoch);
    }
    if (!leader && partition->leader) {
        partition->leader = false;
        partition_fail_waiters(partition, STATUS_NOT_LEADER);
    }
    partition->leader = leader;
    partition->leader_epoch = leader_epoch;
    partition_wake_watches(partition, true);
}

enum append_verdict partition_append(struct partition *partition, struct space batch, struct append_wait *wait,
                                     struct append_result *result)
{
    const enum append_verdict verdict =
        partition_log_append(partition->log, batch, partition->leader_epoch, result);
    const bool taken = verdict == APPEND_OK || verdict == APPEND_DUPLICATE;

    if (verdict == APPEND_OK) {
        partition->bytes_appended += batch.size;
    }
    if (taken && wait != NULL) {
        wait->end_offset = result->last_offset + 1;
        list_append(&partition->appends, &wait->link);
    }
    /* A duplicate waits like its first copy did: that one may not be kept yet. A failure ends with the turn. */
    if ((taken || partition_log_dirty(partition->log)) && list_empty(&partition->dirty_link)) {
        replica_set_mark_dirty(partition->set, partition);
    }
    return verdict;
}

static void partition_synced(struct log_sync *sync, enum status status)
{
    struct partition *partition = CONTAINER_OF(sync, struct partition, sync);

    partition->syncing = false;
    if (partition->state == PARTITION_CLOSING) {
        /* Not now: it is the log that calls. */
        env_at_turn_end(partition->set->env, &partition->close_hook);
        return;
    }
    if (status != STATUS_OK) {
        partition_fail_waiters(partition, STATUS_IO);
        return;
    }
    partition_advance(partition);
}

void partition_advance(struct partition *partition)
{
    const int64_t written_end = partition_log_written_end(partition->log);
    const int64_t start_offset = partition_log_start_offset(partition->log);
    int64_t kept = written_end;

    if (partition->topic->log.durability == DURABILITY_FSYNC) {
        kept = partition_log_durable_end(partition->log);
        if (kept < written_end && !partition->syncing) {
            partition->syncing = true;
            partition->sync.offset = written_end;
            partition->sync.done = partition_synced;
            partition_log_sync(partition->log, &partition->sync);
        }
    }
    if (kept == partition_log_end_offset(partition->log)) {
        partition->bytes_readable = partition->bytes_appended;
    }
    if (kept < start_offset) {
        kept = start_offset;
    }
    if (kept > partition->high_watermark) {
        partition->high_watermark = kept;
        /* Records that were deleted before they were readable: no bytes are to come. */
        partition_wake_watches(partition, kept == start_offset);
    }
    partition_finish_appends(partition, STATUS_OK);
}

static void partition_fail_unwritten(struct partition *partition, enum status status)
{
    const int64_t written_end = partition_log_written_end(partition->log);
    struct list *link = partition->appends.next;
    struct list failed;

    list_init(&failed);
    while (link != &partition->appends) {
        struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);

        link = link->next;
        if (wait->end_offset > written_end) {
            list_remove(&wait->link);
            list_append(&failed, &wait->link);
        }
    }
    while ((link = list_take_first(&failed)) != NULL) {
        struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);

        wait->done(wait, status);
    }
}

void partition_flush(struct partition *partition)
{
    if (partition->state == PARTITION_ONLINE) {
        const enum status status = partition_log_flush(partition->log);

        if (status != STATUS_OK) {
            /* Only what this turn queued is gone; older appends are written and wait for their sync. */
            partition_fail_unwritten(partition, status == STATUS_BUSY ? STATUS_NOT_LEADER : status);
        }
        partition_advance(partition);
        if (status == STATUS_BUSY && list_empty(&partition->appends)) {
            replica_set_reopen(partition->set, partition);
        }
    }
    if (partition->watch_due) {
        partition->watch_due = false;
        partition_wake_watches(partition, partition->state != PARTITION_ONLINE);
    }
}

void partition_watch(struct partition *partition, struct fetch_watch *watch)
{
    list_append(&partition->watches, &watch->link);
    if (partition_watch_is_due(partition, watch)) {
        /* Something came between look-up and watch: the turn's end wakes it. */
        partition->watch_due = true;
        if (list_empty(&partition->dirty_link)) {
            replica_set_mark_dirty(partition->set, partition);
        }
    }
}
