/* The log in memory: everything behind the older of the two snapshots. It mirrors what the Raft library believes the
 * log to be, entry by entry, and holds the bytes that the library does not keep.
 *
 *      base            snapshot                 last
 *       |                 |                      |
 *       .  +  +  +  +  +  +  +  +  +  +  +  +  + +
 *          `- first
 *
 * The entry at `base` and before is gone; its term is known only if base == snapshot. */
#ifndef QUORUM_LOG_H
#define QUORUM_LOG_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"

#include <stddef.h>
#include <stdint.h>

enum log_entry_kind { LOG_COMMAND = 1, LOG_BARRIER = 2, LOG_CONFIGURATION = 3 };

/* One entry. Counted references (one loop only): the log, the disk queue and proposals share it. */
struct log_entry {
    uint64_t term;
    uint64_t ticket; /* of the disk write that carries it; later writes have higher tickets */
    uint32_t references;
    uint32_t size;
    enum log_entry_kind kind;
    uint8_t data[];
};

struct log {
    struct log_entry **entries; /* ring */
    size_t capacity;            /* power of two, or 0 */
    size_t front;
    size_t count;
    uint64_t base;
    uint64_t snapshot_index; /* 0: none */
    uint64_t snapshot_term;
};

/* A new entry with one reference and a copy of `data`; at most UINT32_MAX bytes. */
struct log_entry *log_entry_create(uint64_t term, enum log_entry_kind kind, struct bytes data);
struct log_entry *log_entry_ref(struct log_entry *entry);
/* NULL is allowed. */
void log_entry_unref(struct log_entry *entry);

static inline struct bytes log_entry_bytes(const struct log_entry *entry)
{
    return (struct bytes){entry->data, entry->size};
}

void log_init(struct log *log);
void log_deinit(struct log *log);
/* Forgets all entries; the next one will be index + 1. `index` and `term` are a snapshot's, or 0. */
void log_reset(struct log *log, uint64_t index, uint64_t term);
/* Takes `entry` as the next one. */
void log_append(struct log *log, struct log_entry *entry);
/* Drops the entries from `index` on, which is behind base. */
void log_truncate(struct log *log, uint64_t index);
/* A snapshot of everything up to `index` exists; entries up to `keep_after` may go. */
void log_compact(struct log *log, uint64_t index, uint64_t term, uint64_t keep_after);

/* The index of the last entry, or base. */
static inline uint64_t log_last(const struct log *log)
{
    return log->base + log->count;
}

/* The entry at `index`, or NULL if it is not in memory. Borrowed until the log changes. */
struct log_entry *log_get(const struct log *log, uint64_t index);
/* The term at `index`, or 0 if it is not known. */
uint64_t log_term(const struct log *log, uint64_t index);

#endif
