/* One voter for fuzzers, on a disk in memory, its peers never to be reached or fed by hand. */
#ifndef FUZZ_QUORUM_NODE_H
#define FUZZ_QUORUM_NODE_H

#include "controller/quorum/quorum.h"
#include "tests/fuzz/loop.h"
#include "tests/fuzz/net.h"

#define QUORUM_NODE_DIRECTORY "/data/quorum"

struct quorum_node {
    struct fuzz_loop loop;
    struct fuzz_net net;
    struct quorum_options options;
    struct quorum *quorum; /* NULL: it does not run */
    bool fatal;
    uint64_t applied;      /* index of the last entry */
    uint64_t applied_bytes;
    uint64_t term;
    bool leader;
};

/* Node 0 of `voters` voters, whose ids are 0, 1, 2 ... */
void quorum_node_init(struct quorum_node *node, int voters);
/* Stops it too. */
void quorum_node_deinit(struct quorum_node *node);
/* The status of quorum_create. */
enum status quorum_node_start(struct quorum_node *node);
void quorum_node_stop(struct quorum_node *node);
/* What is due happens, then `ns` pass. */
void quorum_node_run(struct quorum_node *node, uint64_t ns);

#endif
