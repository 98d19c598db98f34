/* `partition.metadata`: which topic a partition's directory belongs to, so that a topic made anew under the same name
 * does not take over old data (KAFKA-12257, KIP-516).
 *
 *     version: 0
 *     topic_id: AAAAAAAAAAAAAAAAAAAAAQ
 */
#ifndef LOG_PARTITION_METADATA_H
#define LOG_PARTITION_METADATA_H

#include "common/base/attributes.h"
#include "common/base/status.h"
#include "common/base/uuid.h"

struct disk;

#define PARTITION_METADATA_NAME "partition.metadata"

/* NOT_FOUND: no file. CORRUPT: not one of these. */
MUST_USE enum status partition_metadata_read(struct disk *disk, const char *path, struct uuid *topic_id);
/* Not synced. What a crash leaves of it is CORRUPT, or nothing. */
MUST_USE enum status partition_metadata_write(struct disk *disk, const char *path, struct uuid topic_id);

#endif
