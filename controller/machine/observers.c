/* Rows of readers. */
#include "controller/machine/observers.h"

#include "common/base/memory.h"

#include <string.h>

void observers_init(struct observers *observers)
{
    *observers = (struct observers){0};
}

void observers_deinit(struct observers *observers)
{
    memory_free(observers->rows);
    observers_init(observers);
}

/* Index of the first row whose id is >= `id`. */
static size_t lower_bound(const struct observers *observers, int32_t id)
{
    size_t low = 0;
    size_t high = observers->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (observers->rows[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct observer *observers_find(const struct observers *observers, int32_t id)
{
    const size_t at = lower_bound(observers, id);

    return at < observers->count && observers->rows[at].id == id ? &observers->rows[at] : NULL;
}

void observers_note(struct observers *observers, int32_t id, int64_t offset, int64_t end_offset, int64_t now_ms)
{
    const size_t at = lower_bound(observers, id);
    struct observer *row;

    if (at == observers->count || observers->rows[at].id != id) {
        if (observers->count >= OBSERVERS_MAX) {
            return;
        }
        if (observers->count == observers->capacity) {
            observers->capacity = observers->capacity > 0 ? 2 * observers->capacity : 8;
            observers->rows = memory_resize(observers->rows, observers->capacity, sizeof(*observers->rows));
        }
        memmove(&observers->rows[at + 1], &observers->rows[at], (observers->count - at) * sizeof(*observers->rows));
        observers->count++;
        observers->rows[at] = (struct observer){.id = id, .caught_up_ms = -1};
    }
    row = &observers->rows[at];
    row->end_offset = offset;
    row->fetch_ms = now_ms;
    if (offset >= end_offset) {
        row->caught_up_ms = now_ms;
    }
}
