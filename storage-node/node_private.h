/* What the parts of a node know of it: node.c builds and stops it, node_metadata.c carries changes of the metadata to
 * the loops, node_care.c keeps checkpoints, producer ids and topic creation. */
#ifndef STORAGE_NODE_NODE_PRIVATE_H
#define STORAGE_NODE_NODE_PRIVATE_H

#include "common/config/addresses.h"
#include "storage-node/cluster/controller_link.h"
#include "storage-node/cluster/directories.h"
#include "storage-node/node.h"
#include "storage-node/server/round.h"
#include "storage-node/server/service.h"

enum node_state { NODE_NEW, NODE_STARTING, NODE_RUNNING, NODE_STOPPING, NODE_STOPPED };

struct node_listener {
    struct node *node;
    uint32_t index;
    struct listener *listener;
};

struct node {
    struct node_options options;
    struct env *env; /* of the first loop */
    struct arena arena; /* what lives as long as the node */
    int32_t id;
    enum node_state state;
    struct service service;
    struct controller_link_options link_options;
    struct node_listener *listeners;
    struct image *image; /* last one carried to the loops */
    uint32_t next_shard; /* for the next connection */
    bool ready;
    struct env_timer registration_timer; /* runs until the node is registered */
    struct list waiting_connections; /* accepted before the node was ready */
    size_t waiting_count;
    struct rpc_gate gate;
    bool publishing;
    struct env_timer checkpoint_timer;
    bool checkpointing;
    struct env_timer stop_timer;
    bool stop_round_started;
    void (*stopped)(void *context);
    void *stopped_context;
};

/* node_metadata.c */
void node_publish(struct node *node, struct image *image);

/* node_strays.c: when the node has caught up with the metadata. */
void node_remove_strays(struct node *node);
/* A partition waits for the name of this directory, which is not its own. If the node has caught up with the metadata
 * and the directory is not that of a topic of today, it goes; only if it is `late` one that was opened by this
 * process, or that does not say whose it is, since somebody may still be busy there. */
void node_free_name(struct node *node, const char *path, bool late);

/* node_care.c */
void node_checkpoint_init(struct node *node);
/* Collects and writes the checkpoints of all directories; `done` may be NULL. */
void node_checkpoint_start(struct node *node, void (*done)(struct node *node));

#endif
