/* The image as snapshot bytes, made when a node needs them and kept for the others that do: after a restart of the
 * cluster all nodes read the same one, piece by piece.
 *
 * On the quorum's side a snapshot has the offset and epoch before it that the image is of:
 *
 *     version i32 = 1 | epoch i32 | offset i64 of the last record, -1: none | snapshot batches */
#ifndef MACHINE_SNAPSHOT_CACHE_H
#define MACHINE_SNAPSHOT_CACHE_H

#include "common/base/buffer.h"
#include "common/env/env.h"
#include "common/metadata/image.h"

struct snapshot_bytes {
    uint32_t references;
    int64_t end_offset; /* one above the last record's */
    int32_t epoch;
    struct buffer data;
};

struct snapshot_cache {
    struct env *env;
    struct snapshot_bytes *newest; /* NULL: none is kept */
    struct env_timer timer;        /* it goes when nobody has asked for a while */
};

void snapshot_cache_init(struct snapshot_cache *cache, struct env *env);
void snapshot_cache_deinit(struct snapshot_cache *cache);
/* The kept snapshot if the log continues from it (its end is not before `log_start_offset`), else a new one of `image`.
 * Borrowed. */
const struct snapshot_bytes *snapshot_cache_offer(struct snapshot_cache *cache, const struct image *image,
                                                  int64_t log_start_offset);
/* The snapshot with this id, with a reference to be given back; NULL if it is not kept any more. */
struct snapshot_bytes *snapshot_cache_take(struct snapshot_cache *cache, int64_t end_offset, int32_t epoch);
void snapshot_bytes_unref(struct snapshot_bytes *snapshot);

/* What the quorum keeps. */
void snapshot_write(const struct image *image, int64_t now_ms, struct buffer *into);
MUST_USE enum status snapshot_read(struct bytes data, struct image **image);

#endif
