/* Snapshots in memory. */
#include "controller/machine/snapshot_cache.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

/* Batches of a snapshot: large enough to cost nothing, small enough to be decoded in steps. */
#define SNAPSHOT_BATCH_BYTES ((size_t)64 * 1024)
#define SNAPSHOT_KEEP_NS (60 * NS_PER_SECOND)
#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEADER_SIZE 16

void snapshot_bytes_unref(struct snapshot_bytes *snapshot)
{
    ASSERT(snapshot->references > 0);
    if (--snapshot->references == 0) {
        buffer_deinit(&snapshot->data);
        memory_free(snapshot);
    }
}

static void forget(void *context)
{
    struct snapshot_cache *cache = context;

    if (cache->newest != NULL) {
        snapshot_bytes_unref(cache->newest);
        cache->newest = NULL;
    }
}

void snapshot_cache_init(struct snapshot_cache *cache, struct env *env)
{
    *cache = (struct snapshot_cache){.env = env};
    env_timer_init(&cache->timer, forget, cache);
}

void snapshot_cache_deinit(struct snapshot_cache *cache)
{
    env_timer_stop(cache->env, &cache->timer);
    forget(cache);
}

const struct snapshot_bytes *snapshot_cache_offer(struct snapshot_cache *cache, const struct image *image,
                                                  int64_t log_start_offset)
{
    env_timer_start(cache->env, &cache->timer, SNAPSHOT_KEEP_NS);
    if (cache->newest != NULL && cache->newest->end_offset >= log_start_offset) {
        return cache->newest;
    }
    forget(cache);
    cache->newest = memory_alloc_zero(1, sizeof(*cache->newest));
    cache->newest->references = 1;
    cache->newest->end_offset = image_offset(image) + 1;
    cache->newest->epoch = image_epoch(image);
    image_write_snapshot(image, env_wall_ms(cache->env), SNAPSHOT_BATCH_BYTES, &cache->newest->data);
    return cache->newest;
}

struct snapshot_bytes *snapshot_cache_take(struct snapshot_cache *cache, int64_t end_offset, int32_t epoch)
{
    if (cache->newest == NULL || cache->newest->end_offset != end_offset || cache->newest->epoch != epoch) {
        return NULL;
    }
    env_timer_start(cache->env, &cache->timer, SNAPSHOT_KEEP_NS);
    cache->newest->references++;
    return cache->newest;
}

void snapshot_write(const struct image *image, int64_t now_ms, struct buffer *into)
{
    uint8_t *header = buffer_reserve(into, SNAPSHOT_HEADER_SIZE);

    store_i32(header, SNAPSHOT_VERSION);
    store_i32(header + 4, image_epoch(image));
    store_i64(header + 8, image_offset(image));
    into->size += SNAPSHOT_HEADER_SIZE;
    image_write_snapshot(image, now_ms, SNAPSHOT_BATCH_BYTES, into);
}

enum status snapshot_read(struct bytes data, struct image **image)
{
    if (data.size < SNAPSHOT_HEADER_SIZE) {
        return STATUS_CORRUPT;
    }
    if (load_i32(data.data) != SNAPSHOT_VERSION) {
        return STATUS_UNSUPPORTED;
    }
    return image_load_snapshot(image, bytes_of(data.data + SNAPSHOT_HEADER_SIZE, data.size - SNAPSHOT_HEADER_SIZE),
                               load_i64(data.data + 8), load_i32(data.data + 4));
}
