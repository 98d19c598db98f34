/* Open descriptors of one loop, in one list from the least to the most recently used. A slot that loses its place only
 * drops the cache's reference: a stream that still sends from the file, or a job that syncs it, keeps it open. */
#include "storage-node/log/file_cache.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* The most files that one operation on a log looks at before it is done with the first. */
#define FILE_CACHE_OPEN_MIN 8

struct file_cache {
    struct disk *disk;
    size_t open_max;
    size_t open_count;
    struct list slots; /* of struct file_slot, least recently used first */
};

struct file_cache *file_cache_create(struct disk *disk, size_t open_max)
{
    struct file_cache *cache = memory_alloc(sizeof(*cache));

    *cache = (struct file_cache){.disk = disk};
    cache->open_max = open_max < FILE_CACHE_OPEN_MIN ? FILE_CACHE_OPEN_MIN : open_max;
    list_init(&cache->slots);
    return cache;
}

/* Drops the `count` least recently used. */
static void file_cache_shrink(struct file_cache *cache, size_t count)
{
    while (count > 0 && !list_empty(&cache->slots)) {
        file_cache_drop(cache, LIST_ENTRY(cache->slots.next, struct file_slot, link));
        count--;
    }
}

void file_cache_destroy(struct file_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    file_cache_shrink(cache, cache->open_count);
    memory_free(cache);
}

void file_slot_init(struct file_slot *slot)
{
    list_init(&slot->link);
    slot->file = NULL;
    slot->outlived = false;
}

bool file_cache_find(struct file_cache *cache, struct file_slot *slot, struct file **file)
{
    if (slot->file == NULL) {
        return false;
    }
    list_remove(&slot->link);
    list_append(&cache->slots, &slot->link);
    *file = slot->file;
    return true;
}

enum status file_cache_use(struct file_cache *cache, struct file_slot *slot, const char *path, unsigned flags,
                           struct file **file)
{
    enum status status;

    if (file_cache_find(cache, slot, file)) {
        return STATUS_OK;
    }
    if (cache->open_count >= cache->open_max) {
        file_cache_shrink(cache, cache->open_count - cache->open_max + 1);
    }
    status = disk_open(cache->disk, path, flags, &slot->file);
    while (status == STATUS_NO_DESCRIPTORS && cache->open_count > 0) {
        /* The process has fewer left than we were promised: give half of ours back. */
        file_cache_shrink(cache, (cache->open_count + 1) / 2);
        status = disk_open(cache->disk, path, flags, &slot->file);
    }
    if (status != STATUS_OK) {
        slot->file = NULL;
        return status;
    }
    list_append(&cache->slots, &slot->link);
    cache->open_count++;
    *file = slot->file;
    return STATUS_OK;
}

void file_cache_drop(struct file_cache *cache, struct file_slot *slot)
{
    if (slot->file == NULL) {
        return;
    }
    ASSERT(cache->open_count > 0);
    cache->open_count--;
    list_remove(&slot->link);
    slot->outlived = slot->outlived || file_is_shared(slot->file);
    file_unref(slot->file);
    slot->file = NULL;
}
