/* Which leader epoch begins at which offset (KIP-101, KIP-279): a pure function of the log's batches, kept beside them
 * in Kafka's text file `leader-epoch-checkpoint`:
 *
 *     0                version
 *     2                count of lines that follow
 *     0 0              epoch, first offset
 *     3 1200
 *
 * Both columns ascend. An epoch lasts until the next one begins, the last until the log ends. */
#ifndef LOG_EPOCH_CACHE_H
#define LOG_EPOCH_CACHE_H

#include "common/base/buffer.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define EPOCH_NONE (-1)
#define EPOCH_FILE_NAME "leader-epoch-checkpoint"
#define EPOCH_FILE_SIZE_MAX (16U << 20)

struct epoch_start {
    int64_t offset;
    int32_t epoch;
};

struct epoch_cache {
    struct epoch_start *starts;
    uint32_t count;
    uint32_t capacity;
};

void epoch_cache_init(struct epoch_cache *cache);
void epoch_cache_deinit(struct epoch_cache *cache);
void epoch_cache_clear(struct epoch_cache *cache);

/* `epoch` begins at `offset`: what the cache says of later offsets or epochs is replaced. True if anything changed. */
bool epoch_cache_start(struct epoch_cache *cache, int32_t epoch, int64_t offset);
/* Forgets epochs that begin at or behind `offset`. True if there were any. */
bool epoch_cache_truncate(struct epoch_cache *cache, int64_t offset);
/* The log begins at `offset` now: of the epochs before it only the one that holds it stays. True if anything
 * changed. */
bool epoch_cache_delete_before(struct epoch_cache *cache, int64_t offset);

int32_t epoch_cache_latest(const struct epoch_cache *cache);
/* EPOCH_NONE: in front of the first. */
int32_t epoch_cache_of(const struct epoch_cache *cache, int64_t offset);
/* How many epochs begin behind `from` and in front of `to`. */
uint32_t epoch_cache_between(const struct epoch_cache *cache, int64_t from, int64_t to);
/* The largest epoch <= `epoch`, and where it ends in a log that ends at `log_end`. False if there is none. */
bool epoch_cache_end(const struct epoch_cache *cache, int32_t epoch, int64_t log_end, struct epoch_start *end);

/* Appends the file's text. */
void epoch_cache_encode(const struct epoch_cache *cache, struct buffer *out);
/* Fills the empty cache. CORRUPT: it stays empty. */
MUST_USE enum status epoch_cache_decode(struct bytes text, struct epoch_cache *cache);

#endif
