/* Open addressing with linear probing; a removal closes the gap, so there are no tombstones. */
#include "tests/sim/ownership.h"

#include "common/base/assert.h"
#include "common/base/map.h"

#include <stdint.h>
#include <stdlib.h>

#define CAPACITY_LEAST 1024

static size_t ownership_home(const struct ownership *ownership, const void *memory)
{
    return (size_t)hash_u64((uint64_t)(uintptr_t)memory) & (ownership->capacity - 1);
}

/* Where `memory` is, or the free place where it would go. */
static size_t ownership_place(const struct ownership *ownership, const void *memory)
{
    size_t place = ownership_home(ownership, memory);

    while (ownership->table[place].memory != NULL && ownership->table[place].memory != memory) {
        place = (place + 1) & (ownership->capacity - 1);
    }
    return place;
}

static void ownership_resize(struct ownership *ownership, size_t capacity)
{
    struct owned_block *old = ownership->table;
    const size_t old_capacity = ownership->capacity;

    ownership->table = calloc(capacity, sizeof(*ownership->table));
    ASSERT(ownership->table != NULL);
    ownership->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].memory != NULL) {
            ownership->table[ownership_place(ownership, old[i].memory)] = old[i];
        }
    }
    free(old);
}

static void ownership_allocated(struct memory_watch *watch, void *memory, size_t size)
{
    struct ownership *ownership = CONTAINER_OF(watch, struct ownership, watch);
    struct owned_block *block;

    if (ownership->current == NULL) {
        return;
    }
    if (ownership->count * 2 >= ownership->capacity) {
        ownership_resize(ownership, ownership->capacity * 2);
    }
    block = &ownership->table[ownership_place(ownership, memory)];
    ASSERT(block->memory == NULL);
    *block = (struct owned_block){.memory = memory, .owner = ownership->current, .size = size};
    ownership->count++;
    block->owner->blocks++;
    block->owner->bytes += size;
}

static void ownership_remove(struct ownership *ownership, size_t place)
{
    const size_t mask = ownership->capacity - 1;
    size_t gap = place;

    ownership->table[gap].memory = NULL;
    for (size_t next = (gap + 1) & mask; ownership->table[next].memory != NULL; next = (next + 1) & mask) {
        const size_t home = ownership_home(ownership, ownership->table[next].memory);

        /* Moves into the gap unless its home lies between the gap and itself. */
        if (((next - home) & mask) >= ((next - gap) & mask)) {
            ownership->table[gap] = ownership->table[next];
            ownership->table[next].memory = NULL;
            gap = next;
        }
    }
    ownership->count--;
}

static void ownership_freed(struct memory_watch *watch, void *memory)
{
    struct ownership *ownership = CONTAINER_OF(watch, struct ownership, watch);
    const size_t place = ownership_place(ownership, memory);
    const struct owned_block *block = &ownership->table[place];

    if (block->memory != NULL) {
        block->owner->blocks--;
        block->owner->bytes -= block->size;
        ownership_remove(ownership, place);
    }
}

void ownership_begin(struct ownership *ownership)
{
    *ownership = (struct ownership){.watch = {.allocated = ownership_allocated, .freed = ownership_freed}};
    ownership_resize(ownership, CAPACITY_LEAST);
    memory_set_watch(&ownership->watch);
}

void ownership_end(struct ownership *ownership)
{
    memory_set_watch(NULL);
    free(ownership->table);
    *ownership = (struct ownership){.table = NULL};
}

void ownership_release(struct ownership *ownership, struct owner *owner)
{
    for (size_t i = 0; i < ownership->capacity; i++) {
        if (ownership->table[i].memory != NULL && ownership->table[i].owner == owner) {
            free(ownership->table[i].memory);
            ownership->table[i].memory = NULL;
            ownership->count--;
        }
    }
    *owner = (struct owner){.blocks = 0};
    /* The gaps broke the chains: what is left finds its place anew. */
    ownership_resize(ownership, ownership->capacity);
}
