/* The log directories of a node: identity, locks, what lies in them, and the checkpoints that say what a crash cannot
 * have touched. Belongs to the first loop. */
#ifndef CLUSTER_DIRECTORIES_H
#define CLUSTER_DIRECTORIES_H

#include "common/base/arena.h"
#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

#define DIRECTORIES_MAX 64

struct disk;
struct directories;
struct producer_journal_entry;

/* Where a partition lies, or will lie. */
struct directory_place {
    uint16_t directory;
    const char *path; /* of the partition's directory; in the arena */
    int64_t recovery_point;
    int64_t log_start_offset;
    bool clean; /* its directory was shut down cleanly */
    bool kept;  /* ... or at least all that was written there is still there */
    bool exists;
    const struct producer_journal_entry *producers; /* from the journal, in the arena. NULL: it says nothing */
};

struct directories_options {
    struct disk *disk;
    const struct string *paths;
    size_t count;
    int32_t node_id;
    struct string cluster_id; /* null: take what the directories say */
    uint64_t (*random)(void *context);
    void *random_context;
};

/* Locks and reads every directory, making those that are missing. `problem` gets a sentence for the operator on
 * failure. */
MUST_USE enum status directories_open(const struct directories_options *options, struct directories **directories,
                                      char problem[512]);
void directories_close(struct directories *directories);

/* Null if no directory knows it yet. */
struct string directories_cluster_id(const struct directories *directories);
/* Writes the cluster id into every directory. */
MUST_USE enum status directories_set_cluster_id(struct directories *directories, struct string cluster_id);
size_t directories_count(const struct directories *directories);
const char *directories_path(const struct directories *directories, size_t index);
struct uuid directories_id(const struct directories *directories, size_t index);
const struct uuid *directories_ids(const struct directories *directories);
/* Broker epoch of the last clean stop; -1 if the last stop of any directory was not clean. */
int64_t directories_clean_epoch(const struct directories *directories);
/* Removes the marks of the clean stop, from now on a crash is a crash, and producer journals that no partition will be
 * opened with. */
MUST_USE enum status directories_begin(struct directories *directories);

/* Every partition of the directory is in order: a process that is killed from now on leaves nothing that needs more
 * than a look at its end, as long as the disk's cache lives. Does nothing where that was said before. */
void directories_say_alive(struct directories *directories, size_t index);
/* Every partition of the directory is open: what was read of its producer journal is not needed any more. */
void directories_drop_journal(struct directories *directories, size_t index);
/* True unless partitions lie there that were not shut cleanly the last time and were not asked for, so not recovered,
 * since. */
bool directories_may_be_clean(const struct directories *directories, size_t index);
/* What the checkpoints said of the partitions that nobody has asked for yet: the next checkpoints have to say it again.
 * Offsets are 0 where they said nothing, `owner` is zero where they did not say of which topic. `topic` is borrowed for
 * the call. */
void directories_unasked(const struct directories *directories,
                         void (*each)(void *context, uint16_t directory, struct string topic, int32_t partition,
                                      struct uuid owner, int64_t recovery_point, int64_t log_start_offset),
                         void *context);

/* The place of a partition: where it lies already, else the working directory with the fewest partitions. Its offsets
 * are 0 if the checkpoints speak of another topic of that name. False if none works. */
bool directories_place(struct directories *directories, struct arena *arena, struct uuid topic_id, struct string topic,
                       int32_t partition, struct directory_place *place);
/* Adds what the producer journal of a place says of this partition of this topic. */
void directories_find_producers(const struct directories *directories, struct arena *arena, struct uuid topic_id,
                                int32_t partition, struct directory_place *place);
void directories_forget(struct directories *directories, struct string topic, int32_t partition);
/* Takes a directory out of service. False if it was out already. */
bool directories_fail(struct directories *directories, size_t index);
bool directories_failed(const struct directories *directories, size_t index);
size_t directories_working(const struct directories *directories);
/* Whether a partition of this name was found on the disk at the start, and no topic of the name was deleted since. */
bool directories_found(const struct directories *directories, struct string topic, int32_t partition);
/* Partitions found on the disk at the start that directories_place was not asked for: their topics were deleted while
 * the node was away. */
void directories_strays(const struct directories *directories, void (*each)(void *context, const char *path),
                        void *context);

#endif
