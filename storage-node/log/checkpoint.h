/* Kafka's offset checkpoints, one file of each kind in a log directory for all its partitions:
 *
 *     0                        version
 *     2                        count of lines that follow
 *     events 0 1200            topic, partition, offset
 *     events 1 800
 *
 * Losing one costs time or a second look, never records (KAFKA-1647): a missing or damaged file is as good as none.
 *
 * A topic that is made anew must not begin where its namesake ended, so a file of ours, written after these, says of
 * which topic each line speaks:
 *
 *     0
 *     2
 *     events 0 AAAAAAAAAAAAAAAAAAAAAQ      topic, partition, topic id; all zeros: of whoever has the name
 *     events 1 AAAAAAAAAAAAAAAAAAAAAQ */
#ifndef LOG_CHECKPOINT_H
#define LOG_CHECKPOINT_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

struct disk;

#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START "log-start-offset-checkpoint"
#define CHECKPOINT_HIGH_WATERMARK "replication-offset-checkpoint"
#define CHECKPOINT_OWNERS ".millrace_checkpoint_owners"
#define CHECKPOINT_SIZE_MAX (64U << 20)

struct checkpoint_entry {
    struct string topic; /* borrowed */
    int32_t partition;
    int64_t offset;
    struct uuid owner; /* in the file of owners, instead of the offset */
};

/* Calls `each` for every entry, borrowed for the call. NOT_FOUND: no file. CORRUPT: then `each` was not called. */
MUST_USE enum status checkpoint_read(struct disk *disk, const char *path,
                                     void (*each)(void *context, const struct checkpoint_entry *entry), void *context);

/* The same of the file of owners. */
MUST_USE enum status checkpoint_read_owners(struct disk *disk, const char *path,
                                            void (*each)(void *context, const struct checkpoint_entry *entry),
                                            void *context);

/* A file in the making. */
struct checkpoint_draft {
    struct buffer lines;
    uint32_t count;
};

void checkpoint_draft_init(struct checkpoint_draft *draft);
void checkpoint_draft_deinit(struct checkpoint_draft *draft);
void checkpoint_draft_add(struct checkpoint_draft *draft, const struct checkpoint_entry *entry);
void checkpoint_draft_add_owner(struct checkpoint_draft *draft, const struct checkpoint_entry *entry);
/* Replaces the file atomically and durably. Blocks. */
MUST_USE enum status checkpoint_draft_write(const struct checkpoint_draft *draft, struct disk *disk, const char *path);

#endif
