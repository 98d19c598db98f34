/* Who leads the partitions of one topic and where the nodes are: what produce and consume ask for and ask again when a
 * leader has changed. */
#ifndef CLI_ROUTES_H
#define CLI_ROUTES_H

#include "cli/session.h"
#include "common/base/uuid.h"

#define ROUTES_NODES_MAX 1024
#define ROUTES_PARTITIONS_MAX 1000000

struct route_node {
    int32_t id;
    struct address address;
};

struct routes {
    struct string topic; /* borrowed from the command line */
    struct uuid topic_id;
    int32_t partition_count;
    int32_t *leaders;       /* of partition_count; -1: none */
    int32_t *leader_epochs; /* likewise; -1: unknown */
    struct route_node *nodes;
    size_t node_count;
};

void routes_init(struct routes *routes, struct string topic);
void routes_deinit(struct routes *routes);
/* Asks any node, and waits. STATUS_OK with *code 0, or the topic's Kafka error with *code; then the routes stay as they
 * were. Other statuses: no node answered. Prints nothing. */
MUST_USE enum status routes_refresh(struct session *session, struct routes *routes, int16_t *code);
/* Repeats that until the topic is there, for errors that pass, within `patience_ms`; false after an error line. */
bool routes_learn(struct session *session, struct routes *routes, uint32_t patience_ms);
/* Connection to a node, opening or open; NULL if the node is not known. */
struct server *routes_server(struct session *session, const struct routes *routes, int32_t node_id);

#endif
