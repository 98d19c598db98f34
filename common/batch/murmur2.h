/* MurmurHash2 with Kafka's seed: the hash that every client's default partitioner takes of a key, so that the same key
 * goes to the same partition whoever writes it. */
#ifndef BATCH_MURMUR2_H
#define BATCH_MURMUR2_H

#include "common/base/bytes.h"

/* All 32 bits. */
uint32_t murmur2(struct bytes key);

/* The partition of `key` (not null) in a topic of `partition_count` > 0 partitions. */
int32_t murmur2_partition(struct bytes key, int32_t partition_count);

#endif
