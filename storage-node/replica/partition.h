/* One replica of a partition on the loop that owns it: its role, its high watermark, and who waits for it to move.
 *
 *     append -> (turn end) written -> synced -> high watermark moves -> acks=all answered, fetches woken
 *
 * With replication factor 1 the leader is the whole ISR, so what it has kept is committed. What "kept" means is the
 * topic's durability class: synced (fsync), or written to the page cache (interval, memory).
 *
 * Invariants:
 *   P1 high_watermark <= log end, never goes back in a process; after a crash it starts where recovery ended,
 *      and with the fsync class that is never below what was shown to a consumer
 *   P2 only a leader appends; the leader epoch in each batch is the one of the role
 *   P3 waiters are called in the order of their offsets, each exactly once */
#ifndef REPLICA_PARTITION_H
#define REPLICA_PARTITION_H

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/base/uuid.h"
#include "common/config/topic_config.h"
#include "common/env/env.h"
#include "storage-node/log/partition_log.h"

struct replica_set;

/* What the partitions of a topic on one loop share. */
struct topic_state {
    struct uuid id;
    char *name;
    struct topic_config config; /* what handlers look at */
    struct log_config log;      /* what its logs do, from the same values */
    uint32_t references;        /* partitions */
};

enum partition_state {
    PARTITION_LOADING, /* its log is being opened on a worker */
    PARTITION_ONLINE,
    PARTITION_OFFLINE, /* its directory failed */
    PARTITION_CLOSING  /* deleted or moved; goes away when its last sync is back */
};

/* Waits for an append to be kept. Embedded in its owner. */
struct append_wait {
    struct list link;
    int64_t end_offset; /* behind the last record */
    bool committed;     /* wait for the high watermark (acks=all), not only for the write (acks=1) */
    void (*done)(struct append_wait *wait, enum status status);
};

/* Waits for something to be readable. Embedded in its owner. */
struct fetch_watch {
    struct list link;
    int64_t offset;    /* call `wake` once the high watermark is above this, or the partition changes state */
    uint64_t appended; /* and the partition's bytes_appended has come to this; 0: whatever it is */
    void (*wake)(struct fetch_watch *watch);
};

/* Waits for a partition that is loading to be something else. Embedded in its owner. */
struct load_watch {
    struct list link;
    void (*loaded)(struct load_watch *watch); /* look again: it is online, offline or gone */
};

struct partition {
    struct replica_set *set;
    struct topic_state *topic;
    struct partition_log *log; /* NULL while loading */
    struct list dirty_link;    /* in the set's list of logs to flush at the turn's end */
    struct list active_link;   /* in the set's list of logs that maintenance should look at soon */
    struct list appends;       /* of struct append_wait, by offset */
    struct list watches;       /* of struct fetch_watch */
    struct list loads;         /* of struct load_watch, in the order in which they came */
    struct log_sync sync;
    struct env_hook close_hook; /* closing: waits until the log has told all that it has to tell */
    uint64_t bytes_appended; /* since the partition is here; batches that were not kept count too */
    uint64_t bytes_readable; /* what bytes_appended was when last all of it was below the high watermark */
    int64_t high_watermark;
    int64_t recovery_point;   /* as the checkpoints had it: what the next checkpoint says while the log is not open */
    int64_t log_start_offset; /* likewise */
    int32_t index;
    int32_t leader_epoch;
    uint16_t directory; /* index of its log directory */
    bool leader;
    bool syncing;
    bool watch_due; /* a watch began behind the high watermark: the turn's end wakes it */
    bool remove; /* closing: its files go too */
    enum partition_state state;
};

/* Ends all waiters with `status`, e.g. when the partition goes away or offline. */
void partition_fail_waiters(struct partition *partition, enum status status);
/* The role as the metadata says: leader or not, in this epoch. The partition must be online. */
void partition_set_role(struct partition *partition, bool leader, int32_t leader_epoch);
/* Appends one validated batch; borrowed until the end of the turn. On APPEND_OK and APPEND_DUPLICATE `wait`, if not
 * NULL, is called later, never inside this call. */
enum append_verdict partition_append(struct partition *partition, struct space batch, struct append_wait *wait,
                                     struct append_result *result);
/* Called by the set at the turn's end. */
void partition_flush(struct partition *partition);
/* Whether it is time to wake `watch`. A watch that waits for N bytes more than can be read asks for bytes_readable + N:
 * it may be woken early, never late. */
static inline bool partition_watch_is_due(const struct partition *partition, const struct fetch_watch *watch)
{
    return watch->offset < partition->high_watermark && partition->bytes_appended >= watch->appended;
}
/* Registers `watch`; if there is something above its offset already, it is woken at the end of this turn. */
void partition_watch(struct partition *partition, struct fetch_watch *watch);
/* The partition is loading. Calls `watch` once, not inside this call, in the turn in which that ends or the set stops;
 * whoever gives up before takes it from its list. */
void partition_watch_load(struct partition *partition, struct load_watch *watch);
/* Called by the set when the partition does not load any more. */
void partition_tell_loaded(struct partition *partition);
/* After periodic care: what retention moved may concern watchers, what an interval flush kept may move the high
 * watermark. */
void partition_advance(struct partition *partition);

#endif
