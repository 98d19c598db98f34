/* Hash map with linear probing and backward-shift deletion, so there are no tombstones. Load factor at most 3/4. */
#include "common/base/map.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#define MAP_CAPACITY_MIN 8

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_deinit(struct map *map)
{
    memory_free(map->entries);
    map_init(map);
}

void *map_find(const struct map *map, uint64_t hash, map_equal equal, const void *key)
{
    size_t at;

    if (map->capacity == 0) {
        return NULL;
    }
    for (at = hash & (map->capacity - 1); map->entries[at].value != NULL; at = (at + 1) & (map->capacity - 1)) {
        if (map->entries[at].hash == hash && equal(map->entries[at].value, key)) {
            return map->entries[at].value;
        }
    }
    return NULL;
}

static void map_put(struct map *map, uint64_t hash, void *value)
{
    size_t at = hash & (map->capacity - 1);

    while (map->entries[at].value != NULL) {
        at = (at + 1) & (map->capacity - 1);
    }
    map->entries[at] = (struct map_entry){hash, value};
}

static void map_grow(struct map *map)
{
    struct map_entry *old = map->entries;
    const size_t old_capacity = map->capacity;

    map->capacity = old_capacity > 0 ? old_capacity * 2 : MAP_CAPACITY_MIN;
    map->entries = memory_alloc_zero(map->capacity, sizeof(struct map_entry));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].value != NULL) {
            map_put(map, old[i].hash, old[i].value);
        }
    }
    memory_free(old);
}

void map_insert(struct map *map, uint64_t hash, void *value)
{
    ASSERT(value != NULL);
    if ((map->count + 1) * 4 > map->capacity * 3) {
        map_grow(map);
    }
    map_put(map, hash, value);
    map->count++;
}

bool map_remove(struct map *map, uint64_t hash, const void *value)
{
    const size_t mask = map->capacity - 1;
    size_t hole;

    if (map->capacity == 0) {
        return false;
    }
    for (hole = hash & mask; map->entries[hole].value != value; hole = (hole + 1) & mask) {
        if (map->entries[hole].value == NULL) {
            return false;
        }
    }
    for (size_t at = (hole + 1) & mask; map->entries[at].value != NULL; at = (at + 1) & mask) {
        const size_t home = map->entries[at].hash & mask;

        /* An entry may move back into the hole unless its home lies behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct map_entry){0, NULL};
    map->count--;
    return true;
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->capacity) {
        void *value = map->entries[(*at)++].value;

        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

uint64_t hash_bytes(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3ULL;
    }
    return hash_u64(hash);
}
