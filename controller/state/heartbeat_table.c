/* The liveness of nodes. A cluster has hundreds at most: a sorted array. */
#include "controller/state/heartbeat_table.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

void heartbeat_table_init(struct heartbeat_table *table, uint64_t session_timeout_ns)
{
    *table = (struct heartbeat_table){.session_timeout_ns = session_timeout_ns};
}

void heartbeat_table_deinit(struct heartbeat_table *table)
{
    memory_free(table->rows);
    heartbeat_table_init(table, table->session_timeout_ns);
}

void heartbeat_table_restart(struct heartbeat_table *table, const struct image *image, uint64_t now_ns)
{
    table->count = 0;
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);

        if (!broker->fenced) {
            heartbeat_table_touch(table, broker->id, broker->epoch, -1, now_ns);
        }
    }
}

/* Index of the first row whose id is >= `broker_id`. */
static size_t row_lower_bound(const struct heartbeat_table *table, int32_t broker_id)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (table->rows[middle].broker_id < broker_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct heartbeat *row_find(const struct heartbeat_table *table, int32_t broker_id)
{
    const size_t at = row_lower_bound(table, broker_id);

    return at < table->count && table->rows[at].broker_id == broker_id ? &table->rows[at] : NULL;
}

static struct heartbeat *row_add(struct heartbeat_table *table, int32_t broker_id)
{
    const size_t at = row_lower_bound(table, broker_id);

    if (table->count == table->capacity) {
        table->capacity = table->capacity > 0 ? table->capacity * 2 : 8;
        table->rows = memory_resize(table->rows, table->capacity, sizeof(*table->rows));
    }
    memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(*table->rows));
    table->count++;
    return &table->rows[at];
}

void heartbeat_table_touch(struct heartbeat_table *table, int32_t broker_id, int64_t epoch, int64_t metadata_offset,
                           uint64_t now_ns)
{
    struct heartbeat *row = row_find(table, broker_id);

    if (row == NULL) {
        row = row_add(table, broker_id);
        row->epoch = epoch - 1;
    }
    if (row->epoch != epoch) {
        *row = (struct heartbeat){.broker_id = broker_id, .epoch = epoch, .metadata_offset = -1, .shutdown_offset = -1};
    }
    row->contact_ns = now_ns;
    row->lost_ns = 0;
    if (metadata_offset > row->metadata_offset) {
        row->metadata_offset = metadata_offset;
    }
}

void heartbeat_table_bind(struct heartbeat_table *table, int32_t broker_id, const void *connection)
{
    struct heartbeat *row = row_find(table, broker_id);

    ASSERT(row != NULL);
    row->connection = connection;
}

bool heartbeat_table_lose(struct heartbeat_table *table, int32_t broker_id, const void *connection, uint64_t now_ns)
{
    struct heartbeat *row = row_find(table, broker_id);

    if (row == NULL || row->connection != connection) {
        return false;
    }
    row->connection = NULL;
    row->lost_ns = now_ns;
    return true;
}

/* When the session ends unless the node is heard of. */
static uint64_t row_end_ns(const struct heartbeat_table *table, const struct heartbeat *row)
{
    const uint64_t end_ns = row->contact_ns + table->session_timeout_ns;

    return row->lost_ns > 0 && row->lost_ns + HEARTBEAT_GRACE_NS < end_ns ? row->lost_ns + HEARTBEAT_GRACE_NS : end_ns;
}

void heartbeat_table_leave(struct heartbeat_table *table, int32_t broker_id, int64_t offset)
{
    struct heartbeat *row = row_find(table, broker_id);

    ASSERT(row != NULL);
    if (row->shutdown_offset < 0) {
        row->shutdown_offset = offset;
    }
}

void heartbeat_table_remove(struct heartbeat_table *table, int32_t broker_id)
{
    const struct heartbeat *row = row_find(table, broker_id);

    if (row != NULL) {
        const size_t at = (size_t)(row - table->rows);

        table->count--;
        memmove(&table->rows[at], &table->rows[at + 1], (table->count - at) * sizeof(*table->rows));
    }
}

const struct heartbeat *heartbeat_table_find(const struct heartbeat_table *table, int32_t broker_id)
{
    return row_find(table, broker_id);
}

bool heartbeat_table_alive(const struct heartbeat_table *table, int32_t broker_id, int64_t epoch, uint64_t now_ns)
{
    const struct heartbeat *row = row_find(table, broker_id);

    return row != NULL && row->epoch == epoch && now_ns < row_end_ns(table, row);
}

bool heartbeat_table_holds(const struct heartbeat_table *table, int32_t broker_id, int64_t epoch, uint64_t now_ns)
{
    const struct heartbeat *row = row_find(table, broker_id);

    return row != NULL && row->lost_ns == 0 && heartbeat_table_alive(table, broker_id, epoch, now_ns);
}

int32_t heartbeat_table_expired(const struct heartbeat_table *table, const struct image *image, uint64_t now_ns)
{
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);

        if (!broker->fenced && !heartbeat_table_alive(table, broker->id, broker->epoch, now_ns)) {
            return broker->id;
        }
    }
    return -1;
}

uint64_t heartbeat_table_deadline(const struct heartbeat_table *table, const struct image *image)
{
    uint64_t deadline = UINT64_MAX;

    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);
        const struct heartbeat *row = row_find(table, broker->id);
        uint64_t end = 0;

        if (broker->fenced) {
            continue;
        }
        if (row != NULL && row->epoch == broker->epoch) {
            end = row_end_ns(table, row);
        }
        if (end < deadline) {
            deadline = end;
        }
    }
    return deadline;
}

int64_t heartbeat_table_lowest_offset(const struct heartbeat_table *table, const struct image *image)
{
    int64_t lowest = INT64_MAX;

    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct broker_image *broker = image_broker_at(image, i);
        const struct heartbeat *row = row_find(table, broker->id);
        const int64_t offset = row != NULL && row->epoch == broker->epoch ? row->metadata_offset : -1;

        if (!broker->fenced && !broker->in_controlled_shutdown && offset < lowest) {
            lowest = offset;
        }
    }
    return lowest;
}
