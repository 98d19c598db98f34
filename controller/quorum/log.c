/* The log in memory, a ring of entries with shared ownership. */
#include "controller/quorum/log.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#define LOG_CAPACITY_MIN 64

struct log_entry *log_entry_create(uint64_t term, enum log_entry_kind kind, struct bytes data)
{
    struct log_entry *entry;

    ASSERT(data.size <= UINT32_MAX);
    entry = memory_alloc(sizeof(*entry) + data.size);
    entry->term = term;
    entry->ticket = 0;
    entry->references = 1;
    entry->size = (uint32_t)data.size;
    entry->kind = kind;
    if (data.size > 0) {
        memcpy(entry->data, data.data, data.size);
    }
    return entry;
}

struct log_entry *log_entry_ref(struct log_entry *entry)
{
    ASSERT(entry->references > 0);
    entry->references++;
    return entry;
}

void log_entry_unref(struct log_entry *entry)
{
    if (entry != NULL) {
        ASSERT(entry->references > 0);
        if (--entry->references == 0) {
            memory_free(entry);
        }
    }
}

void log_init(struct log *log)
{
    *log = (struct log){0};
}

void log_deinit(struct log *log)
{
    log_reset(log, 0, 0);
    memory_free(log->entries);
    log_init(log);
}

static struct log_entry **log_slot(const struct log *log, uint64_t index)
{
    return &log->entries[(log->front + (size_t)(index - log->base - 1)) & (log->capacity - 1)];
}

void log_reset(struct log *log, uint64_t index, uint64_t term)
{
    for (uint64_t i = log->base + 1; i <= log_last(log); i++) {
        log_entry_unref(*log_slot(log, i));
    }
    log->front = 0;
    log->count = 0;
    log->base = index;
    log->snapshot_index = index;
    log->snapshot_term = term;
}

static void log_grow(struct log *log)
{
    const size_t capacity = log->capacity == 0 ? LOG_CAPACITY_MIN : log->capacity * 2;
    struct log_entry **entries = memory_alloc_zero(capacity, sizeof(struct log_entry *));

    for (size_t i = 0; i < log->count; i++) {
        entries[i] = log->entries[(log->front + i) & (log->capacity - 1)];
    }
    memory_free(log->entries);
    log->entries = entries;
    log->capacity = capacity;
    log->front = 0;
}

void log_append(struct log *log, struct log_entry *entry)
{
    ASSERT(entry->term > 0);
    if (log->count == log->capacity) {
        log_grow(log);
    }
    log->count++;
    *log_slot(log, log_last(log)) = entry;
}

void log_truncate(struct log *log, uint64_t index)
{
    ASSERT(index > log->base);
    while (log_last(log) >= index) {
        log_entry_unref(*log_slot(log, log_last(log)));
        log->count--;
    }
}

void log_compact(struct log *log, uint64_t index, uint64_t term, uint64_t keep_after)
{
    ASSERT(keep_after <= index);
    ASSERT(index <= log_last(log));
    log->snapshot_index = index;
    log->snapshot_term = term;
    while (log->base < keep_after) {
        log_entry_unref(log->entries[log->front]);
        log->front = (log->front + 1) & (log->capacity - 1);
        log->count--;
        log->base++;
    }
}

struct log_entry *log_get(const struct log *log, uint64_t index)
{
    if (index <= log->base || index > log_last(log)) {
        return NULL;
    }
    return *log_slot(log, index);
}

uint64_t log_term(const struct log *log, uint64_t index)
{
    const struct log_entry *entry = log_get(log, index);

    if (entry != NULL) {
        return entry->term;
    }
    return index != 0 && index == log->snapshot_index ? log->snapshot_term : 0;
}
