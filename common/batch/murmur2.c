/* MurmurHash2 by Austin Appleby (public domain), 32 bits, little-endian reads whatever the machine. */
#include "common/batch/murmur2.h"

#include "common/base/assert.h"

#define SEED 0x9747b28cU
#define MULTIPLIER 0x5bd1e995U

static uint32_t word_load(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t murmur2(struct bytes key)
{
    uint32_t hash = SEED ^ (uint32_t)key.size;
    size_t at = 0;

    for (; key.size - at >= sizeof(uint32_t); at += sizeof(uint32_t)) {
        uint32_t word = word_load(key.data + at) * MULTIPLIER;

        word ^= word >> 24;
        hash = (hash * MULTIPLIER) ^ (word * MULTIPLIER);
    }
    if (at < key.size) {
        for (size_t i = key.size - at; i > 0; i--) {
            hash ^= (uint32_t)key.data[at + i - 1] << (8 * (i - 1));
        }
        hash *= MULTIPLIER;
    }
    hash ^= hash >> 13;
    hash *= MULTIPLIER;
    return hash ^ (hash >> 15);
}

int32_t murmur2_partition(struct bytes key, int32_t partition_count)
{
    ASSERT(partition_count > 0);
    return (int32_t)(murmur2(key) & 0x7fffffffU) % partition_count;
}
