/* Hash map from a hash to pointers, open addressing with linear probing. The caller compares keys: look-ups walk the
 * entries whose full hash is equal. The map owns its table, never the values. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "common/base/bytes.h"

struct map_entry {
    uint64_t hash;
    void *value; /* NULL: free */
};

struct map {
    struct map_entry *entries;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};

/* True if `value` is the one that `key` asks for. */
typedef bool (*map_equal)(const void *value, const void *key);

void map_init(struct map *map);
void map_deinit(struct map *map);
/* The value with this hash for which equal(value, key) holds, or NULL. */
void *map_find(const struct map *map, uint64_t hash, map_equal equal, const void *key);
/* Adds a value (not NULL) whose key must not be in the map yet. */
void map_insert(struct map *map, uint64_t hash, void *value);
/* Removes exactly this pointer; false if it was not there. */
bool map_remove(struct map *map, uint64_t hash, const void *value);
/* Iteration: start with *at = 0; returns NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *map, size_t *at);

/* A well-mixed hash of bytes (FNV-1a with a final avalanche). Not keyed: do not use where an attacker choosing keys
 * could hurt others beyond its own quota. */
uint64_t hash_bytes(const void *data, size_t size);

static inline uint64_t hash_string(struct string text)
{
    return hash_bytes(text.data, text.size);
}

static inline uint64_t hash_u64(uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ULL;
    return value ^ (value >> 33);
}

#endif
