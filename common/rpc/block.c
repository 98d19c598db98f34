/* Receive memory with a bound and a few blocks kept warm. */
#include "common/rpc/block.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

void rpc_block_pool_init(struct rpc_block_pool *pool, size_t bytes_max)
{
    *pool = (struct rpc_block_pool){.bytes_max = bytes_max};
    for (size_t i = 0; i < RPC_BLOCK_CLASSES; i++) {
        list_init(&pool->free[i]);
    }
}

void rpc_block_pool_deinit(struct rpc_block_pool *pool)
{
    ASSERT(pool->bytes == 0);
    for (size_t i = 0; i < RPC_BLOCK_CLASSES; i++) {
        struct list *link;

        while ((link = list_take_first(&pool->free[i])) != NULL) {
            memory_free(LIST_ENTRY(link, struct rpc_block, link));
        }
    }
}

/* The class whose blocks hold `capacity` bytes; RPC_BLOCK_CLASSES if none does. */
static size_t rpc_block_class(size_t capacity)
{
    size_t class = 0;

    while (class < RPC_BLOCK_CLASSES && capacity > (size_t)RPC_BLOCK_SIZE << class) {
        class++;
    }
    return class;
}

static size_t rpc_block_round(size_t capacity)
{
    const size_t class = rpc_block_class(capacity);

    return class < RPC_BLOCK_CLASSES ? (size_t)RPC_BLOCK_SIZE << class : capacity;
}

/* A free block of `class`, or NULL. */
static struct rpc_block *rpc_block_pool_take(struct rpc_block_pool *pool, size_t class)
{
    struct list *link = class < RPC_BLOCK_CLASSES ? list_take_first(&pool->free[class]) : NULL;

    if (link == NULL) {
        return NULL;
    }
    if (class == 0) {
        pool->small_count--;
    } else {
        pool->large_bytes -= (size_t)RPC_BLOCK_SIZE << class;
        pool->large_least = pool->large_bytes < pool->large_least ? pool->large_bytes : pool->large_least;
    }
    return LIST_ENTRY(link, struct rpc_block, link);
}

/* Keeps a block nobody uses; false if there are enough. */
static bool rpc_block_pool_keep(struct rpc_block_pool *pool, struct rpc_block *block)
{
    const size_t class = rpc_block_class(block->capacity);

    if (class == RPC_BLOCK_CLASSES || (class == 0 && pool->small_count >= RPC_BLOCKS_KEPT) ||
        (class > 0 && block->capacity > RPC_LARGE_KEPT_BYTES - pool->large_bytes)) {
        return false;
    }
    if (class == 0) {
        pool->small_count++;
    } else {
        pool->large_bytes += block->capacity;
    }
    list_prepend(&pool->free[class], &block->link);
    return true;
}

bool rpc_block_pool_trim(struct rpc_block_pool *pool)
{
    size_t surplus = pool->large_least;

    for (size_t i = RPC_BLOCK_CLASSES - 1; i > 0; i--) {
        while (surplus >= (size_t)RPC_BLOCK_SIZE << i && !list_empty(&pool->free[i])) {
            struct rpc_block *block = rpc_block_pool_take(pool, i);

            surplus -= block->capacity;
            memory_free(block);
        }
    }
    pool->large_least = pool->large_bytes;
    return pool->large_bytes > 0;
}

static bool rpc_block_pool_has(const struct rpc_block_pool *pool, size_t capacity)
{
    const size_t limit =
        capacity > RPC_BLOCK_SIZE ? pool->bytes_max - pool->bytes_max / RPC_BLOCKS_SMALL_PART : pool->bytes_max;

    return pool->bytes == 0 || (pool->bytes < limit && capacity <= limit - pool->bytes);
}

size_t rpc_block_pool_room(const struct rpc_block_pool *pool)
{
    const size_t left = pool->bytes < pool->bytes_max ? pool->bytes_max - pool->bytes : 0;

    return left < RPC_BLOCK_SIZE ? 1 : left / RPC_BLOCK_SIZE;
}

static struct rpc_block *rpc_block_take(struct rpc_block_pool *pool, size_t capacity)
{
    struct rpc_block *block = rpc_block_pool_take(pool, rpc_block_class(capacity));

    if (block == NULL) {
        block = memory_alloc(sizeof(*block) + capacity);
        list_init(&block->link);
        block->pool = pool;
        block->capacity = capacity;
    }
    block->overdraft = false;
    block->references = 1;
    block->used = 0;
    block->parsed = 0;
    pool->bytes += capacity;
    return block;
}

struct rpc_block *rpc_block_acquire(struct rpc_block_pool *pool, size_t capacity)
{
    capacity = rpc_block_round(capacity);
    return rpc_block_pool_has(pool, capacity) ? rpc_block_take(pool, capacity) : NULL;
}

struct rpc_block *rpc_block_extend(struct rpc_block *block, size_t capacity)
{
    struct rpc_block_pool *pool = block->pool;
    struct rpc_block *next = rpc_block_acquire(pool, capacity);

    if (next == NULL && (block->overdraft || !pool->overdrawn)) {
        next = rpc_block_take(pool, rpc_block_round(capacity));
        block->overdraft = false;
        next->overdraft = true;
        pool->overdrawn = true;
    }
    return next;
}

struct rpc_block *rpc_block_ref(struct rpc_block *block)
{
    block->references++;
    return block;
}

bool rpc_block_unref(struct rpc_block *block)
{
    struct rpc_block_pool *pool = block->pool;

    ASSERT(block->references > 0);
    block->references--;
    if (block->references > 0) {
        return false;
    }
    pool->bytes -= block->capacity;
    if (block->overdraft) {
        pool->overdrawn = false;
    }
    if (!rpc_block_pool_keep(pool, block)) {
        memory_free(block);
    }
    return true;
}
