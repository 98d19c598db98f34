/* Blocks of batches. */
#include "controller/machine/metadata_log.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#define METADATA_BLOCK_SIZE ((size_t)256 * 1024)

void metadata_log_init(struct metadata_log *log, size_t bytes_max)
{
    *log = (struct metadata_log){.bytes_max = bytes_max};
    list_init(&log->blocks);
}

void metadata_block_unref(struct metadata_block *block)
{
    ASSERT(block->references > 0);
    if (--block->references == 0) {
        memory_free(block->marks);
        memory_free(block);
    }
}

static struct metadata_block *oldest_block(const struct metadata_log *log)
{
    return LIST_ENTRY(log->blocks.next, struct metadata_block, link);
}

static struct metadata_block *newest_block(const struct metadata_log *log)
{
    return list_empty(&log->blocks) ? NULL : LIST_ENTRY(log->blocks.previous, struct metadata_block, link);
}

static void drop_oldest(struct metadata_log *log)
{
    struct metadata_block *block = oldest_block(log);

    list_remove(&block->link);
    log->bytes -= block->capacity;
    metadata_block_unref(block);
    log->start_offset = list_empty(&log->blocks) ? log->end_offset : oldest_block(log)->marks[0].base_offset;
}

void metadata_log_reset(struct metadata_log *log, int64_t offset)
{
    while (!list_empty(&log->blocks)) {
        drop_oldest(log);
    }
    log->start_offset = offset;
    log->end_offset = offset;
}

void metadata_log_deinit(struct metadata_log *log)
{
    metadata_log_reset(log, 0);
}

static struct metadata_block *add_block(struct metadata_log *log, size_t size)
{
    const size_t capacity = size > METADATA_BLOCK_SIZE ? size : METADATA_BLOCK_SIZE;
    struct metadata_block *block = memory_alloc(sizeof(*block) + capacity);

    *block = (struct metadata_block){.references = 1, .capacity = capacity};
    list_append(&log->blocks, &block->link);
    log->bytes += capacity;
    return block;
}

void metadata_log_append(struct metadata_log *log, struct bytes batch, int64_t end_offset, uint64_t index)
{
    struct metadata_block *block = newest_block(log);

    ASSERT(end_offset > log->end_offset);
    if (block == NULL || block->capacity - block->size < batch.size) {
        block = add_block(log, batch.size);
    }
    if (block->mark_count == block->mark_capacity) {
        block->mark_capacity = block->mark_capacity == 0 ? 64 : 2 * block->mark_capacity;
        block->marks = memory_resize(block->marks, block->mark_capacity, sizeof(*block->marks));
    }
    block->marks[block->mark_count++] =
        (struct metadata_mark){.base_offset = log->end_offset, .index = index, .place = block->size};
    memcpy(block->data + block->size, batch.data, batch.size);
    block->size += batch.size;
    log->end_offset = end_offset;
    while (log->bytes > log->bytes_max && oldest_block(log) != block) {
        drop_oldest(log);
    }
}

/* The last block that begins at or before `offset`, which the log has. */
static struct metadata_block *block_of(const struct metadata_log *log, int64_t offset)
{
    struct list *link = log->blocks.previous;

    /* Nearly every reader is near the end. */
    while (LIST_ENTRY(link, struct metadata_block, link)->marks[0].base_offset > offset) {
        link = link->previous;
    }
    return LIST_ENTRY(link, struct metadata_block, link);
}

/* The last mark of `block` at or before `offset`. */
static size_t mark_of(const struct metadata_block *block, int64_t offset)
{
    size_t low = 0;
    size_t high = block->mark_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (block->marks[middle].base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

struct bytes metadata_log_read(struct metadata_log *log, int64_t offset, size_t bytes_max,
                               struct metadata_block **block)
{
    size_t first;
    size_t begin;
    size_t end;

    if (offset < log->start_offset || offset >= log->end_offset) {
        return BYTES_NULL;
    }
    *block = block_of(log, offset);
    first = mark_of(*block, offset);
    begin = (*block)->marks[first].place;
    end = (*block)->size;
    if (end - begin > bytes_max) {
        size_t next = first + 1;

        while (next + 1 < (*block)->mark_count && (*block)->marks[next + 1].place - begin <= bytes_max) {
            next++;
        }
        end = next < (*block)->mark_count ? (*block)->marks[next].place : end;
    }
    (*block)->references++;
    return bytes_of((*block)->data + begin, end - begin);
}

int64_t metadata_log_end_at(const struct metadata_log *log, uint64_t index)
{
    int64_t end_offset = log->end_offset;

    for (struct list *link = log->blocks.previous; link != &log->blocks; link = link->previous) {
        const struct metadata_block *block = LIST_ENTRY(link, struct metadata_block, link);

        for (size_t i = block->mark_count; i-- > 0;) {
            if (block->marks[i].index <= index) {
                return end_offset;
            }
            end_offset = block->marks[i].base_offset;
        }
    }
    return log->start_offset;
}
