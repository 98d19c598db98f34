/* A controller: one voter of the metadata quorum, with the requests it answers on its listeners. Built the same way by
 * main.c and by the simulator.
 *
 *     DIR/.lock             held while the process runs
 *     DIR/meta.properties   version=1, cluster.id, node.id: written at the first start, compared at every other
 *     DIR/quorum/           log and snapshots of the quorum
 *
 *     controller_create   opens DIR, loads the metadata; blocking, before the loop runs
 *     controller_start    listens
 *     controller_stop     hands over, answers what is on its way, closes; `done` on the loop
 *     controller_destroy  after `done` */
#ifndef CONTROLLER_CONTROLLER_H
#define CONTROLLER_CONTROLLER_H

#include "common/config/config.h"
#include "common/metadata/image.h"
#include "controller/quorum/quorum.h"

struct controller;

#define CONTROLLER_LISTENERS_MAX 8

struct controller_listener {
    char host[NET_HOST_MAX + 1];
    uint16_t port; /* 0: any */
};

struct controller_options {
    int32_t id;
    struct quorum_voter voters[QUORUM_VOTERS_MAX]; /* with us among them; where others reach them */
    int voter_count;
    struct uuid cluster_id;    /* zero: that of the directory; a sole voter makes one up at its first start */
    char listener_name[64];    /* of the controllers' listener, as clients are told */
    struct controller_listener listeners[CONTROLLER_LISTENERS_MAX];
    size_t listener_count;
    const char *directory;       /* borrowed for the controller's life */
    const struct config *config; /* likewise; the cluster's defaults for topics */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint32_t broker_session_timeout_ms;
    uint64_t snapshot_bytes;     /* new log between two snapshots */
    uint64_t segment_bytes;      /* of the log's files; 0: the quorum's default */
    uint32_t snapshot_interval_ms; /* and at the latest so long after new log; 0: by size only */
    size_t log_bytes_max;        /* newest metadata batches kept in memory for nodes */
    uint32_t request_timeout_ms; /* of requests to other controllers */
    uint32_t frame_size_max;
    size_t receive_bytes_max;
    uint64_t idle_ms_max;        /* 0: connections may be idle for ever */
    uint32_t connections_max;
    uint32_t connections_per_address_max; /* UINT32_MAX: any number */
    struct listener_options sockets;
    /* The controller cannot go on: its process must end at once, without answering anything more. `what` is a
     * sentence. */
    void (*fatal)(void *context, const char *what, enum status why);
    void *context;
};

/* Everything but the callback, from a configuration of controller_config_schema. `arena` must live as long as the
 * options. */
MUST_USE enum status controller_options_read(const struct config *config, struct arena *arena,
                                             struct controller_options *options, struct config_problem *problem);

/* Unless OK, `problem` has a sentence with the remedy and *out is NULL. */
MUST_USE enum status controller_create(struct env *env, const struct controller_options *options,
                                       struct controller **out,
                                       struct config_problem *problem);
MUST_USE enum status controller_start(struct controller *controller, struct config_problem *problem);
/* `done` never comes inside this call. */
void controller_stop(struct controller *controller, void (*done)(void *context), void *context);
void controller_destroy(struct controller *controller);

/* The port of listener `index` (for port 0). */
uint16_t controller_port(const struct controller *controller, size_t index);
/* Whether it decides now. */
bool controller_is_active(const struct controller *controller);
/* The committed metadata, borrowed for the turn. */
const struct image *controller_image(const struct controller *controller);
struct uuid controller_cluster_id(const struct controller *controller);
void controller_quorum_status(const struct controller *controller, struct quorum_status *status);
/* For checkers. */
const struct quorum *controller_quorum(const struct controller *controller);

#endif
