/* A small world for quorum tests: up to five nodes with virtual time, disks in memory and links that lose, delay,
 * repeat and reorder frames, all from one seed. It checks, while it runs:
 *
 *     1. at most one leader per term, over the whole history
 *     2. every node applies the same entries in the same order, across restarts and snapshots
 *     3. what was acknowledged stays where it was acknowledged
 *     4. a commit index never decreases within a life
 *     5. a barrier has seen everything acknowledged before it was asked for
 *
 * A violation is written to world->violation and ends the run. */
#ifndef QUORUM_WORLD_H
#define QUORUM_WORLD_H

#include "common/base/heap.h"
#include "common/base/prng.h"
#include "common/env/env.h"
#include "controller/quorum/quorum.h"
#include "tests/support/memory_disk.h"

#define WORLD_NODES_MAX 5

struct world;
struct world_connection;

struct world_faults {
    bool lose;       /* frames are lost */
    bool reorder;    /* ... delayed past each other, and repeated */
    bool cut;        /* connections break, nodes are partitioned */
    bool crash;      /* nodes crash, with torn writes */
    bool pause;      /* nodes stand still */
};

struct world_node {
    struct world *world;
    int32_t id;
    struct env env;
    struct net net;
    struct memory_disk disk;
    struct quorum *quorum; /* NULL: down */
    uint64_t life;         /* counts starts */
    uint64_t paused_until_ns;
    bool fatal;
    char fatal_text[512];
    /* The state machine: how many entries, and a hash over all of them. */
    uint64_t applied_index;
    uint64_t hash;
    uint64_t entries;
    bool leader;
    uint64_t term;
    uint64_t commit_index;
};

struct world {
    uint64_t now_ns;
    struct prng prng;
    struct heap events;
    uint64_t sequence;
    struct world_faults faults;
    struct quorum_options options; /* template */
    int node_count;
    struct world_node nodes[WORLD_NODES_MAX];
    bool cut[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* from, to */
    struct world_connection *connections;

    bool done_first;         /* what a job has done while its node stood still is told before timers that are due */
    size_t snapshot_filler;  /* bytes that make snapshots larger than they had to be */
    uint64_t *history;       /* hash of the state after each index; 0: not applied by anyone yet */
    size_t history_capacity;
    int32_t *leaders;        /* by term; id + 1 */
    size_t leaders_capacity;
    uint64_t acknowledged;   /* highest index */
    uint64_t proposed;
    uint64_t answered_ok;
    uint64_t answered_other;
    uint64_t barriers_ok;
    uint64_t elections;
    uint64_t restores;
    uint64_t crashes;
    char violation[512];
};

void world_init(struct world *world, uint64_t seed, int nodes);
void world_deinit(struct world *world);
/* Starts a node that is down; false if it refused (then fatal_text says why). */
bool world_start(struct world *world, int node);
void world_start_all(struct world *world);
void world_crash(struct world *world, int node, enum memory_crash how);
/* Runs for a time, or until a violation. */
void world_run(struct world *world, uint64_t duration_ns);
/* Runs with faults and a workload for a time. */
void world_shake(struct world *world, uint64_t duration_ns);
/* Breaks the connection from one node to another, if there is one. */
void world_break(struct world *world, int from, int to);
/* Ends all faults and starts what is down. */
void world_heal(struct world *world);
/* Proposes a new entry of about `size` bytes at `node`; its outcome is checked when it comes. */
void world_propose(struct world *world, int node, size_t size);
void world_barrier(struct world *world, int node);
/* The leader as reported by a running node with the highest term, or -1. */
int world_leader(const struct world *world);
/* True if every node runs and has applied what was acknowledged, and all have applied the same. */
bool world_is_even(const struct world *world);

#endif
