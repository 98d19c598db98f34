/* A sorted array: epochs are few and looked up rarely, appends compare with the last one only. */
#include "storage-node/log/epoch_cache.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "storage-node/log/text_fields.h"

#include <inttypes.h>

void epoch_cache_init(struct epoch_cache *cache)
{
    *cache = (struct epoch_cache){0};
}

void epoch_cache_deinit(struct epoch_cache *cache)
{
    memory_free(cache->starts);
    epoch_cache_init(cache);
}

void epoch_cache_clear(struct epoch_cache *cache)
{
    cache->count = 0;
}

static void epoch_cache_push(struct epoch_cache *cache, int32_t epoch, int64_t offset)
{
    if (cache->count == cache->capacity) {
        cache->capacity = cache->capacity > 0 ? cache->capacity * 2 : 1;
        cache->starts = memory_resize(cache->starts, cache->capacity, sizeof(*cache->starts));
    }
    cache->starts[cache->count++] = (struct epoch_start){.offset = offset, .epoch = epoch};
}

bool epoch_cache_start(struct epoch_cache *cache, int32_t epoch, int64_t offset)
{
    const uint32_t before = cache->count;

    ASSERT(epoch >= 0);
    while (cache->count > 0) {
        const struct epoch_start *last = &cache->starts[cache->count - 1];

        if (last->epoch == epoch && last->offset <= offset) {
            return cache->count != before;
        }
        if (last->epoch < epoch && last->offset < offset) {
            break;
        }
        cache->count--;
    }
    epoch_cache_push(cache, epoch, offset);
    return true;
}

bool epoch_cache_truncate(struct epoch_cache *cache, int64_t offset)
{
    const uint32_t before = cache->count;

    while (cache->count > 0 && cache->starts[cache->count - 1].offset >= offset) {
        cache->count--;
    }
    return cache->count != before;
}

bool epoch_cache_delete_before(struct epoch_cache *cache, int64_t offset)
{
    uint32_t gone = 0;

    while (gone + 1 < cache->count && cache->starts[gone + 1].offset <= offset) {
        gone++;
    }
    if (cache->count == 0 || (gone == 0 && cache->starts[0].offset >= offset)) {
        return false;
    }
    cache->count -= gone;
    memmove(cache->starts, cache->starts + gone, cache->count * sizeof(*cache->starts));
    cache->starts[0].offset = offset;
    return true;
}

int32_t epoch_cache_latest(const struct epoch_cache *cache)
{
    return cache->count > 0 ? cache->starts[cache->count - 1].epoch : EPOCH_NONE;
}

int32_t epoch_cache_of(const struct epoch_cache *cache, int64_t offset)
{
    for (uint32_t i = cache->count; i > 0; i--) {
        if (cache->starts[i - 1].offset <= offset) {
            return cache->starts[i - 1].epoch;
        }
    }
    return EPOCH_NONE;
}

uint32_t epoch_cache_between(const struct epoch_cache *cache, int64_t from, int64_t to)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < cache->count; i++) {
        count += cache->starts[i].offset > from && cache->starts[i].offset < to ? 1 : 0;
    }
    return count;
}

bool epoch_cache_end(const struct epoch_cache *cache, int32_t epoch, int64_t log_end, struct epoch_start *end)
{
    for (uint32_t i = cache->count; i > 0; i--) {
        if (cache->starts[i - 1].epoch <= epoch) {
            end->epoch = cache->starts[i - 1].epoch;
            end->offset = i < cache->count ? cache->starts[i].offset : log_end;
            return true;
        }
    }
    return false;
}

void epoch_cache_encode(const struct epoch_cache *cache, struct buffer *out)
{
    buffer_append_format(out, "0\n%" PRIu32 "\n", cache->count);
    for (uint32_t i = 0; i < cache->count; i++) {
        buffer_append_format(out, "%" PRId32 " %" PRId64 "\n", cache->starts[i].epoch, cache->starts[i].offset);
    }
}

enum status epoch_cache_decode(struct bytes text, struct epoch_cache *cache)
{
    struct string rest = {(const char *)text.data, text.size};
    int64_t version;
    int64_t count;

    ASSERT(cache->count == 0);
    if (!text_take_number(&rest, '\n', 0, &version) || !text_take_number(&rest, '\n', UINT32_MAX, &count)) {
        return STATUS_CORRUPT;
    }
    while (count > 0) {
        const struct epoch_start *last = cache->count > 0 ? &cache->starts[cache->count - 1] : NULL;
        int64_t epoch;
        int64_t offset;

        if (!text_take_number(&rest, ' ', INT32_MAX, &epoch) || !text_take_number(&rest, '\n', INT64_MAX, &offset) ||
            (last != NULL && (epoch <= last->epoch || offset < last->offset))) {
            break;
        }
        epoch_cache_push(cache, (int32_t)epoch, offset);
        count--;
    }
    if (count > 0 || rest.size > 0) {
        cache->count = 0;
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}
