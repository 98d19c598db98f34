/* Open descriptors of segment files, least recently used first out: a partition at rest has none. One cache per
 * loop. */
#ifndef LOG_FILE_CACHE_H
#define LOG_FILE_CACHE_H

#include "common/base/attributes.h"
#include "common/base/list.h"
#include "common/base/status.h"

struct disk;
struct file;
struct file_cache;

/* A place that may hold an open file; embedded in its owner. */
struct file_slot {
    struct list link; /* in the cache's LRU list while open */
    struct file *file;
    bool outlived; /* a file of this slot was closed here while others still used it */
};

struct file_cache *file_cache_create(struct disk *disk, size_t open_max);
void file_cache_destroy(struct file_cache *cache);
void file_slot_init(struct file_slot *slot);
/* The slot's file, opened at `path` with file_flags `flags` if it is not; marks it used. Borrowed: take a reference to
 * keep it beyond the turn. May close the least recently used slot of the same cache. */
MUST_USE enum status file_cache_use(struct file_cache *cache, struct file_slot *slot, const char *path, unsigned flags,
                                    struct file **file);
/* The same without a path, which takes longer to write than a descriptor takes to find: false if the slot's file is not
 * open. */
bool file_cache_find(struct file_cache *cache, struct file_slot *slot, struct file **file);
/* Closes the slot's file if open. */
void file_cache_drop(struct file_cache *cache, struct file_slot *slot);

#endif
