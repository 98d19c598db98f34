/* Who reads the metadata log from this controller without being a voter: the storage nodes, as DescribeQuorum tells. */
#ifndef MACHINE_OBSERVERS_H
#define MACHINE_OBSERVERS_H

#include <stddef.h>
#include <stdint.h>

/* More than a cluster has nodes; whoever makes up ids loses only his own row. */
#define OBSERVERS_MAX 1024

struct observer {
    int32_t id;
    int64_t end_offset;   /* what it asked for last: it has everything before */
    int64_t fetch_ms;     /* wall clock of that */
    int64_t caught_up_ms; /* when it last had everything; -1: never */
};

struct observers {
    struct observer *rows; /* ascending by id */
    size_t count;
    size_t capacity;
};

void observers_init(struct observers *observers);
void observers_deinit(struct observers *observers);
/* The node asked for `offset` while the log ended at `end_offset`. Ignored if there are OBSERVERS_MAX others. */
void observers_note(struct observers *observers, int32_t id, int64_t offset, int64_t end_offset, int64_t now_ms);
/* NULL: has not fetched here. */
const struct observer *observers_find(const struct observers *observers, int32_t id);

#endif
