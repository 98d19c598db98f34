/* Receive memory with a bound and a few blocks kept warm. */
#include "common/rpc/block.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

void rpc_block_pool_init(struct rpc_block_pool *pool, size_t bytes_max)
{
    *pool = (struct rpc_block_pool){.bytes_max = bytes_max};
    list_init(&pool->free);
}

void rpc_block_pool_deinit(struct rpc_block_pool *pool)
{
    struct list *link;

    ASSERT(pool->bytes == 0);
    while ((link = list_take_first(&pool->free)) != NULL) {
        memory_free(LIST_ENTRY(link, struct rpc_block, link));
    }
}

static bool rpc_block_pool_has(const struct rpc_block_pool *pool, size_t capacity)
{
    const size_t limit =
        capacity > RPC_BLOCK_SIZE ? pool->bytes_max - pool->bytes_max / RPC_BLOCKS_SMALL_PART : pool->bytes_max;

    return pool->bytes == 0 || (pool->bytes < limit && capacity <= limit - pool->bytes);
}

static struct rpc_block *rpc_block_take(struct rpc_block_pool *pool, size_t capacity)
{
    struct rpc_block *block;
    struct list *link;

    if (capacity == RPC_BLOCK_SIZE && (link = list_take_first(&pool->free)) != NULL) {
        block = LIST_ENTRY(link, struct rpc_block, link);
        pool->free_count--;
    } else {
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
    capacity = capacity < RPC_BLOCK_SIZE ? RPC_BLOCK_SIZE : capacity;
    return rpc_block_pool_has(pool, capacity) ? rpc_block_take(pool, capacity) : NULL;
}

struct rpc_block *rpc_block_extend(struct rpc_block *block, size_t capacity)
{
    struct rpc_block_pool *pool = block->pool;
    struct rpc_block *next = rpc_block_acquire(pool, capacity);

    if (next == NULL && (block->overdraft || !pool->overdrawn)) {
        next = rpc_block_take(pool, capacity < RPC_BLOCK_SIZE ? RPC_BLOCK_SIZE : capacity);
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
    if (block->capacity == RPC_BLOCK_SIZE && pool->free_count < RPC_BLOCKS_KEPT) {
        list_prepend(&pool->free, &block->link);
        pool->free_count++;
    } else {
        memory_free(block);
    }
    return true;
}
