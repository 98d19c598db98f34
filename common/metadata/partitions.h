/* Up to PARTITION_CHUNK_SIZE partitions of one topic, packed: the unit in which images share a topic's partitions. A
 * topic of 20,000 partitions is 79 of them, and a change of one partition copies one. */
#ifndef METADATA_PARTITIONS_H
#define METADATA_PARTITIONS_H

#include "common/metadata/image.h"
#include "common/metadata/ordered.h"

#define PARTITION_CHUNK_SIZE 256

struct partition_chunk;

struct partition_chunk *partition_chunk_create(void);
struct partition_chunk *partition_chunk_ref(struct partition_chunk *chunk);
void partition_chunk_unref(struct partition_chunk *chunk);
/* `chunk` itself if nobody else holds it; otherwise gives up the reference and returns a copy. */
struct partition_chunk *partition_chunk_own(struct partition_chunk *chunk);

uint32_t partition_chunk_count(const struct partition_chunk *chunk);
/* A view of partition `index` of this chunk, borrowed until the chunk changes. */
void partition_chunk_get(const struct partition_chunk *chunk, uint32_t index, struct partition_image *partition);
/* Sets partition `index`, or appends it if `index` is the count. Copies what `partition` points to. Counts are at
 * most METADATA_REPLICAS_MAX. */
void partition_chunk_set(struct partition_chunk *chunk, uint32_t index, const struct partition_image *partition);

#endif
