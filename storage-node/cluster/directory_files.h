/* The small files of a log directory, in Kafka's formats. */
#ifndef CLUSTER_DIRECTORY_FILES_H
#define CLUSTER_DIRECTORY_FILES_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

struct disk;

#define DIRECTORY_CLUSTER_ID_MAX 64
#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START "log-start-offset-checkpoint"

struct directory_meta {
    char cluster_id[DIRECTORY_CLUSTER_ID_MAX + 1];
    int32_t node_id;
    struct uuid directory_id;
};

/* meta.properties. STATUS_NOT_FOUND; STATUS_CORRUPT if something is missing in it, STATUS_UNSUPPORTED for another version. */
MUST_USE enum status directory_meta_read(struct disk *disk, const char *path, struct directory_meta *meta);
MUST_USE enum status directory_meta_write(struct disk *disk, const char *path, const struct directory_meta *meta);

/* .kafka_cleanshutdown. The epoch is -1 if the file does not say. STATUS_NOT_FOUND: the last stop was not clean. */
MUST_USE enum status directory_clean_read(struct disk *disk, const char *path, int64_t *broker_epoch);
MUST_USE enum status directory_clean_write(struct disk *disk, const char *path, int64_t broker_epoch);
MUST_USE enum status directory_clean_remove(struct disk *disk, const char *path);

/* Checkpoint files: "0\n", the number of lines, then "topic partition offset\n" each. A file of which one line is wrong is
 * STATUS_CORRUPT and gives nothing. */
MUST_USE enum status checkpoint_read(struct disk *disk, const char *path, const char *name,
                                     void (*each)(void *context, struct string topic, int32_t partition, int64_t offset),
                                     void *context);
MUST_USE enum status checkpoint_write(struct disk *disk, const char *path, const char *name, struct bytes lines,
                                      size_t count);

/* TOPIC-N with a valid topic name and number, as opposed to directories on their way out and other files. */
bool partition_name_valid(struct string name);

#endif
