/* The partitions of one loop: found by topic id and index, flushed together at the end of a turn, cared for
 * periodically.
 *
 * Opening a log blocks, so it runs as a job; the partition is there at once, in state PARTITION_LOADING, and answers
 * "not yet" (a retriable error) until it is online. A new one has nothing to open. */
#ifndef REPLICA_REPLICA_SET_H
#define REPLICA_REPLICA_SET_H

#include "common/base/map.h"
#include "common/env/env.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/replica/partition.h"

#define REPLICA_DIRECTORIES_MAX 64

struct replica_set_options {
    struct env *env;
    uint32_t index;                 /* of the loop */
    size_t files_open_max;          /* descriptors of segment files */
    uint64_t check_interval_ns;     /* log.retention.check.interval.ms */
    /* A directory's disk failed under partition `partition`; called once or more. */
    void (*directory_failed)(void *context, uint16_t directory, enum status status);
    /* A partition came online or could not be opened (state PARTITION_OFFLINE). */
    void (*opened)(void *context, struct partition *partition, enum status status);
    /* A partition waits for the directory `path`, which is another topic's or nobody's; `late`: for some seconds. Comes
     * again while it waits. May be NULL. */
    void (*name_taken)(void *context, const char *path, bool late);
    void *context;
};

struct replica_set {
    struct replica_set_options options;
    struct env *env;
    struct file_cache *files;
    struct map partitions; /* by topic id and index */
    struct map topics;     /* struct topic_state by id */
    struct list dirty;
    struct list active;
    struct env_hook flush_hook;
    struct env_timer care_timer;  /* soon: partitions with recent appends */
    struct env_timer check_timer; /* rarely: all partitions */
    size_t loading;               /* partitions whose open job is under way */
    size_t closing;
    size_t journaling; /* jobs that write producer journals */
    struct replica_journal *journals[REPLICA_DIRECTORIES_MAX]; /* NULL: nothing was written there */
    uint64_t failed;  /* a bit for each directory that is out of service */
    uint64_t unclean; /* ... in which a partition could not be opened or shut: its stop is not a clean one */
    bool stopping;
};

_Static_assert(REPLICA_DIRECTORIES_MAX <= 64, "a bit for each directory");

/* What replica_set_open needs to know of a partition. Borrowed for the call. */
struct replica_options {
    struct uuid topic_id;
    struct string topic;
    const struct topic_config *config;
    const struct log_config *log;
    int32_t partition;
    bool leader;
    int32_t leader_epoch;
    uint16_t directory;
    const char *path; /* of the partition's directory */
    int64_t recovery_point;
    int64_t log_start_offset;
    bool clean;
    bool kept;  /* not clean, but no more than the process has died */
    bool taken; /* what lies there is another's, unless it says otherwise */
    bool fresh; /* nothing lies there: the partition is online at once, and takes nothing of the disk before its first
                   record */
    const struct producer_journal_entry *producers; /* as in partition_log_options */
};

void replica_set_init(struct replica_set *set, const struct replica_set_options *options);
/* After replica_set_stop, settled, and shutdown; closes the logs. */
void replica_set_deinit(struct replica_set *set);

struct partition *replica_set_find(const struct replica_set *set, struct uuid topic_id, int32_t partition);
/* Starts opening; the partition must not be in the set. */
void replica_set_open(struct replica_set *set, const struct replica_options *options);
/* Takes the partition out: waiters end, the log closes as soon as no sync is in flight. If `remove`, its directory is
 * retired and its files are removed on a worker. */
void replica_set_close(struct replica_set *set, struct partition *partition, bool remove);
/* Retires the directory `path`, in which no partition of this or another loop is open: renamed now, so that its name is
 * free, removed on a worker. */
void replica_set_remove_directory(struct replica_set *set, const char *path);
/* The same of one that nobody can say the topic of: it is renamed, and left to the operator. */
void replica_set_keep_directory(struct replica_set *set, const char *path);
/* The new effective config of a topic, for all its partitions here. */
void replica_set_configure(struct replica_set *set, struct uuid topic_id, const struct topic_config *config,
                           const struct log_config *log);
/* Takes every partition of a failed directory offline. */
void replica_set_fail_directory(struct replica_set *set, uint16_t directory);
/* For a clean stop, in this order: no more periodic care and no more opening... */
void replica_set_stop(struct replica_set *set);
/* ... wait until no job of the set is under way ... */
bool replica_set_settled(const struct replica_set *set);
/* ... take the logs from the loop, on the loop ... */
void replica_set_detach(struct replica_set *set);
/* ... then flush, sync and close every log; blocking, in a job while the loop leaves the set alone. */
void replica_set_shutdown(struct replica_set *set);
/* After that: whether all that was opened in this directory was shut well. */
bool replica_set_left_clean(const struct replica_set *set, uint16_t directory);
struct topic_state *replica_set_topic(const struct replica_set *set, struct uuid topic_id);

/* For partition.c. */
void replica_set_mark_dirty(struct replica_set *set, struct partition *partition);
/* replica_journal.c: adds the producers of a partition that is online to those that the next call writes down, if that
 * is due. False: it is, but has to wait. */
bool replica_journal_add(struct replica_set *set, struct partition *partition);
void replica_journal_write(struct replica_set *set);
/* For a clean stop: entries of all logs at their ends, made durable if `sync`; blocking. What fails costs the next
 * start time only. */
void replica_journal_close(struct replica_set *set, bool sync);
void replica_journal_free(struct replica_set *set);
/* The partition thought that nothing lay where it was to be made, and something does: it is opened as others are. Its
 * log is new and empty, and nobody waits. */
void replica_set_reopen(struct replica_set *set, struct partition *partition);

#endif
