/* The stage of a scenario: a cluster, a client that does errands, and a narrator who tells in words what changes, with
 * the virtual time since the command began:
 *
 *     +1.4s  controller 2 is the active controller
 *
 * Between events the narrator compares what the members are with what they were; it asks nothing of them, so watching
 * does not change a run. */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include "tests/sim/cluster.h"
#include "tests/sim/script_client.h"


struct stage;

struct stage_options {
    uint64_t seed;
    bool trace; /* everything to standard output, as --trace does */
    unsigned controllers;
    unsigned nodes;
    unsigned loops;
    const char *const *controller_settings; /* as struct cluster_options */
    const char *const *node_settings;
    /* Takes each line, without newline; `ms` after stage_begin. */
    void (*tell)(void *context, uint64_t ms, const char *text);
    void *context;
};

/* Nothing runs yet but the client. */
struct stage *stage_create(const struct stage_options *options);
void stage_destroy(struct stage *stage);

struct sim_world *stage_world(struct stage *stage);
struct cluster *stage_cluster(struct stage *stage);
struct sim_process *stage_client(struct stage *stage);
/* The active controller; if two think so, the one with the newer metadata. NULL: none. */
struct sim_process *stage_active_controller(struct stage *stage);
/* The node that leads a partition, by what the newest metadata says, or NULL. */
struct sim_process *stage_leader(struct stage *stage, const char *topic, int32_t partition);
/* Whether the newest metadata knows the topic. */
bool stage_has_topic(struct stage *stage, const char *topic);
/* "node 1" of "node-1". */
void stage_name(const struct sim_process *process, char name[64]);

/* A command begins: times count from here. */
void stage_begin(struct stage *stage);
/* Narrates a line. */
void stage_say(struct stage *stage, const char *format, ...) PRINTF_LIKE(2, 3);
void stage_run_for(struct stage *stage, uint64_t duration_ns);
/* As sim_run_until. */
MUST_USE bool stage_run_until(struct stage *stage, bool (*reached)(void *context), void *context, uint64_t limit_ns);
/* Sends the client on an errand, which must have no other one. */
void stage_start(struct stage *stage, struct errand *errand);
/* The same, and waits until it is done. */
void stage_do(struct stage *stage, struct errand *errand);

#endif
