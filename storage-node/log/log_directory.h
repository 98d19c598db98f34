/* What lies in a log directory beside the partitions: whose it is, its lock, the mark of a clean stop.
 *
 *     .lock                     held while a process uses the directory
 *     meta.properties           cluster, node and directory id
 *     .kafka_cleanshutdown      there only between a clean stop and the next start
 *     .millrace_life            the life of the disk's cache in which every partition here was opened, or made
 *     *-checkpoint              checkpoint.h
 *     TOPIC-N/                  partitions
 *     TOPIC-N.<id>-delete/      given up, to be removed
 */
#ifndef LOG_LOG_DIRECTORY_H
#define LOG_LOG_DIRECTORY_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

struct disk;
struct file;

#define LOG_CLUSTER_ID_MAX 63
/* Kafka's limit for topic names. */
#define LOG_TOPIC_SIZE_MAX 249

/* meta.properties, version 1 (KIP-858). */
struct log_directory_meta {
    char cluster_id[LOG_CLUSTER_ID_MAX + 1];
    int32_t node_id;
    struct uuid directory_id; /* zero: the file names none */
};

/* `directory` is the log directory's path. Locks it for this process until the file is unreferenced. LOCKED. */
MUST_USE enum status log_directory_lock(struct disk *disk, const char *directory, struct file **lock);

/* NOT_FOUND: new directory. CORRUPT. UNSUPPORTED: another version. */
MUST_USE enum status log_directory_meta_read(struct disk *disk, const char *directory, struct log_directory_meta *meta);
MUST_USE enum status log_directory_meta_write(struct disk *disk, const char *directory,
                                              const struct log_directory_meta *meta);

/* The broker epoch under which the last stop was clean. NOT_FOUND: it was not. CORRUPT: better believe it was not. */
MUST_USE enum status log_directory_clean_read(struct disk *disk, const char *directory, int64_t *broker_epoch);
/* The last thing a clean stop does. */
MUST_USE enum status log_directory_clean_write(struct disk *disk, const char *directory, int64_t broker_epoch);
/* The first thing a start does once it has read the mark, before anything is written (KAFKA-15375). Durable on
 * return. */
MUST_USE enum status log_directory_clean_remove(struct disk *disk, const char *directory);

/* True if all that any process wrote here since the last start that looked after every partition is still there: then a
 * killed process has left no more than a torn end. False whenever that is not known. */
bool log_directory_life_goes_on(struct disk *disk, const char *directory);
/* Says that from now on it is so. Needs no sync: a power cut ends the life that it names. */
MUST_USE enum status log_directory_life_write(struct disk *disk, const char *directory);

/* Takes that back, as far as the disk lets us. */
void log_directory_life_forget(struct disk *disk, const char *directory);

enum log_directory_item {
    LOG_DIRECTORY_PARTITION, /* topic and partition are set */
    LOG_DIRECTORY_RETIRED,   /* of partition_directory_retire: to be removed */
    LOG_DIRECTORY_OTHER,
};

/* Calls `each` for every directory in it; `name` and `topic` are borrowed for the call. */
struct log_directory_entry {
    enum log_directory_item item;
    const char *name;
    struct string topic;
    int32_t partition;
};
MUST_USE enum status log_directory_list(struct disk *disk, const char *directory,
                                        void (*each)(void *context, const struct log_directory_entry *entry),
                                        void *context);
/* Takes a directory's name apart. */
void log_directory_entry_parse(const char *name, struct log_directory_entry *entry);

#endif
