/* A whole cluster in a world: controllers and storage nodes, each a process that runs what its main.c runs, built by
 * the same constructors from the same kind of configuration.
 *
 *     controllers "controller-1" ...   listen on port 9093, one loop
 *     nodes       "node-1" ...         listen on port 9092, options.loops loops, data in /data */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "tests/sim/sim.h"

#define CLUSTER_CONTROLLERS_MAX 5
#define CLUSTER_NODES_MAX 8
#define CLUSTER_NODE_PORT 9092
#define CLUSTER_CONTROLLER_PORT 9093

struct cluster;
struct controller;
struct node;

struct cluster_options {
    unsigned controllers;
    unsigned nodes;
    unsigned loops; /* of each node */
    /* "key=value", over what the cluster sets itself; NULL at the end; the array may be NULL. Borrowed for the
     * cluster's life. */
    const char *const *controller_settings;
    const char *const *node_settings;
};

/* Adds the processes; none runs yet. */
struct cluster *cluster_create(struct sim_world *world, const struct cluster_options *options);
/* After sim_world_destroy, since the processes use it. */
void cluster_destroy(struct cluster *cluster);
void cluster_start(struct cluster *cluster);

unsigned cluster_controller_count(const struct cluster *cluster);
unsigned cluster_node_count(const struct cluster *cluster);
struct sim_process *cluster_controller(const struct cluster *cluster, unsigned index);
struct sim_process *cluster_node(const struct cluster *cluster, unsigned index);

/* What runs in a process, for checkers: read it between events only. NULL while it does not run. */
struct controller *cluster_controller_running(const struct cluster *cluster, unsigned index);
struct node *cluster_node_running(const struct cluster *cluster, unsigned index);

/* A controller is active and every node is ready. */
bool cluster_is_ready(const struct cluster *cluster);
/* The same in the form that sim_run_until takes. */
bool cluster_ready(void *cluster);
/* The orderly stop of a member, as by SIGTERM. It must be running; when its process is down, nothing it allocated may
 * be left. */
void cluster_stop(struct cluster *cluster, struct sim_process *member);

#endif
