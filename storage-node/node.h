/* A storage node: its loops, its log directories, its place in the cluster. Built the same way by main.c and by the
 * simulator.
 *
 *     node_create   opens directories, makes the loops' shards; blocking, before the loops run
 *     node_start    listens, ties to the controllers; on the first loop
 *     node_stop     controlled shutdown, flush, clean mark; `done` on the first loop, then the loops may end
 *     node_destroy  when the loops have ended */
#ifndef STORAGE_NODE_NODE_H
#define STORAGE_NODE_NODE_H

#include "common/config/config.h"
#include "common/env/env.h"

struct node;

#define NODE_LOOPS_MAX 64
#define NODE_PROBLEM_MAX 512

struct node_options {
    struct env *const *envs; /* one for each loop; the first also ties the node to the cluster */
    uint32_t env_count;
    const struct config *config; /* of node_config_schema; borrowed for the node's life */
    uint64_t descriptor_limit;   /* how many files the process may have open */
    /* The node cannot go on (refused by the cluster, all log directories failed): `why` is a sentence; the process
     * ends. On the first loop. */
    void (*fatal)(void *context, const char *why);
    void *context;
};

/* `problem` gets a sentence with the remedy if the status is not OK. */
MUST_USE enum status node_create(const struct node_options *options, struct node **node,
                                 char problem[NODE_PROBLEM_MAX]);
MUST_USE enum status node_start(struct node *node, char problem[NODE_PROBLEM_MAX]);
void node_stop(struct node *node, void (*done)(void *context), void *context);
/* Without waiting for the controllers' leave; call it after node_stop, for those who cannot wait. */
void node_stop_now(struct node *node);
void node_destroy(struct node *node);
/* Registered, caught up and unfenced at least once. */
bool node_ready(const struct node *node);
/* The port of listener `index` (for port 0). */
uint16_t node_port(const struct node *node, size_t index);

#endif
