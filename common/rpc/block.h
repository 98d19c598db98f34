/* Receive memory: a run of bytes that the socket filled, shared by the frames in it. Freed, or kept for the next
 * connection, when the connection and every request parsed from it have let go. */
#ifndef RPC_BLOCK_H
#define RPC_BLOCK_H

#include "common/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The smallest block; each class is twice as large as the one before, what is larger than the last comes from the
 * heap. */
#define RPC_BLOCK_SIZE (128 * 1024)
#define RPC_BLOCK_CLASSES 5
/* Free memory that is kept: small blocks for good, larger ones while they are used every now and then. */
#define RPC_BLOCKS_KEPT 16
#define RPC_LARGE_KEPT_BYTES ((size_t)16 * 1024 * 1024)

/* Of the pool's bytes, one part in so many is for blocks of RPC_BLOCK_SIZE alone: large frames that do not come to an
 * end must not shut out everybody's small requests. */
#define RPC_BLOCKS_SMALL_PART 4

struct rpc_block_pool {
    struct list free[RPC_BLOCK_CLASSES];
    size_t small_count; /* free ones of the first class */
    size_t large_bytes; /* free ones of the others */
    size_t large_least; /* the least of that since the last trim */
    size_t bytes;       /* of all blocks in use */
    size_t bytes_max;
    bool overdrawn;     /* one block is there beyond the limit */
};

struct rpc_block {
    struct list link;
    struct rpc_block_pool *pool;
    bool overdraft; /* the one beyond the limit */
    uint32_t references;
    size_t capacity;
    size_t used;   /* bytes received */
    size_t parsed; /* bytes of them that frames have been made of */
    uint8_t data[];
};

void rpc_block_pool_init(struct rpc_block_pool *pool, size_t bytes_max);
void rpc_block_pool_deinit(struct rpc_block_pool *pool);
/* Gives back large blocks that nobody needed since the last call. True if some are left: call again in a while. */
bool rpc_block_pool_trim(struct rpc_block_pool *pool);
/* How many blocks of RPC_BLOCK_SIZE the pool would give now, 1 at least. */
size_t rpc_block_pool_room(const struct rpc_block_pool *pool);
/* A block with one reference and at least `capacity` bytes, or NULL if the pool's limit would be passed. A pool that is
 * empty always gives one, so that no limit can stop everything. */
struct rpc_block *rpc_block_acquire(struct rpc_block_pool *pool, size_t capacity);
/* A block for the frame that begins in `block`, which stays. When many half frames have used up the pool, none of which
 * could ever be finished, one frame at a time may pass the limit. */
struct rpc_block *rpc_block_extend(struct rpc_block *block, size_t capacity);
struct rpc_block *rpc_block_ref(struct rpc_block *block);
/* True if that was the last reference: memory came back. */
bool rpc_block_unref(struct rpc_block *block);

#endif
