/* When each node was last heard of, and how far it had read the metadata log. Volatile: the active controller has it in
 * memory only, and a new one starts by giving every node a whole session. */
#ifndef STATE_HEARTBEAT_TABLE_H
#define STATE_HEARTBEAT_TABLE_H

#include "common/metadata/image.h"

/* A node whose connection broke is gone, most probably: it has this long to come back on another one. Only silence is
 * waited for as long as a session. */
#define HEARTBEAT_GRACE_NS UINT64_C(1000000000)

struct heartbeat {
    int32_t broker_id;
    int64_t epoch;
    uint64_t contact_ns;      /* of env_now_ns */
    uint64_t lost_ns;         /* when its connection broke; 0: it stands */
    const void *connection;   /* that it was last heard on; only compared */
    int64_t metadata_offset;  /* last one it said it has read, -1 if it has not said */
    int64_t shutdown_offset;  /* what others must have read before it may go; -1: not leaving */
};

struct heartbeat_table {
    uint64_t session_timeout_ns;
    size_t count;
    size_t capacity;
    struct heartbeat *rows; /* ascending by broker id */
};

/* broker.session.timeout.ms of Kafka is 9000. */
void heartbeat_table_init(struct heartbeat_table *table, uint64_t session_timeout_ns);
void heartbeat_table_deinit(struct heartbeat_table *table);
/* This controller became active: forgets all, and counts every unfenced node as heard of now. */
void heartbeat_table_restart(struct heartbeat_table *table, const struct image *image, uint64_t now_ns);

/* The node was heard of. A new epoch starts a new row. */
void heartbeat_table_touch(struct heartbeat_table *table, int32_t broker_id, int64_t epoch, int64_t metadata_offset,
                           uint64_t now_ns);
/* The node was heard on this connection; the row must exist. */
void heartbeat_table_bind(struct heartbeat_table *table, int32_t broker_id, const void *connection);
/* This connection broke. False if the node has another one, or is unknown. */
bool heartbeat_table_lose(struct heartbeat_table *table, int32_t broker_id, const void *connection, uint64_t now_ns);
/* The node leaves: it may go when every active node has read `offset`. Keeps the first offset. The row must exist. */
void heartbeat_table_leave(struct heartbeat_table *table, int32_t broker_id, int64_t offset);
/* Allowed if there is none. */
void heartbeat_table_remove(struct heartbeat_table *table, int32_t broker_id);

/* NULL: not heard of. */
const struct heartbeat *heartbeat_table_find(const struct heartbeat_table *table, int32_t broker_id);
/* True if this registration is alive and its connection stands: nobody else may have its id. */
bool heartbeat_table_holds(const struct heartbeat_table *table, int32_t broker_id, int64_t epoch, uint64_t now_ns);
/* True if this registration's session has not ended: heard of within the session timeout, and not gone for longer than
 * the grace. */
bool heartbeat_table_alive(const struct heartbeat_table *table, int32_t broker_id, int64_t epoch, uint64_t now_ns);
/* A node that is unfenced in the image but not alive; -1 if there is none. */
int32_t heartbeat_table_expired(const struct heartbeat_table *table, const struct image *image, uint64_t now_ns);
/* When the next unfenced node's session ends unless it is heard of; UINT64_MAX if there is none. */
uint64_t heartbeat_table_deadline(const struct heartbeat_table *table, const struct image *image);
/* The least offset that an active node (unfenced, not leaving) has read; INT64_MAX if there is no such node. */
int64_t heartbeat_table_lowest_offset(const struct heartbeat_table *table, const struct image *image);

#endif
