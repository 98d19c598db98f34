/* See quorum_node.h. */
#include "tests/fuzz/quorum_node.h"

#include "common/base/assert.h"
#include "common/base/endian.h"

#include <stdio.h>

static void node_apply(void *context, uint64_t index, uint64_t term, struct bytes entry)
{
    struct quorum_node *node = context;

    ASSERT(!node->fatal);
    ASSERT(index > node->applied && term > 0);
    node->applied = index;
    node->applied_bytes += entry.size;
}

static void node_restore(void *context, uint64_t index, uint64_t term, struct bytes snapshot)
{
    struct quorum_node *node = context;

    ASSERT(!node->fatal);
    ASSERT(index > node->applied && term > 0);
    node->applied = index;
    node->applied_bytes = snapshot.size;
}

static void node_snapshot(void *context, struct buffer *into)
{
    const struct quorum_node *node = context;

    buffer_append_format(into, "state of %llu", (unsigned long long)node->applied);
}

static void node_role(void *context, bool leader, uint64_t term, int32_t leader_id)
{
    struct quorum_node *node = context;

    ASSERT(!node->fatal && term >= node->term && leader_id >= QUORUM_ID_UNKNOWN);
    node->term = term;
    node->leader = leader;
}

static void node_fatal(void *context, const char *what, enum status why)
{
    struct quorum_node *node = context;

    ASSERT(what[0] != 0 && why != STATUS_OK);
    node->fatal = true;
}

static const struct quorum_handler handler = {.apply = node_apply,
                                              .restore = node_restore,
                                              .snapshot = node_snapshot,
                                              .role = node_role,
                                              .fatal = node_fatal};

void quorum_node_init(struct quorum_node *node, int voters)
{
    *node = (struct quorum_node){0};
    quorum_use_memory();
    fuzz_net_init(&node->net);
    fuzz_loop_init(&node->loop, &node->net.net);
    quorum_options_init(&node->options);
    node->options.voter_count = voters;
    for (int i = 0; i < voters; i++) {
        node->options.voters[i].id = i;
        snprintf(node->options.voters[i].host, sizeof(node->options.voters[i].host), "voter-%d", i);
        node->options.voters[i].port = 9093;
    }
    node->options.cluster_id = (struct uuid){{7, 7}};
    node->options.directory = QUORUM_NODE_DIRECTORY;
    node->options.segment_bytes = 16384;
    node->options.snapshot_bytes = 20000;
    node->options.entry_bytes_max = 2000;
    node->options.snapshot_bytes_max = 100000;
    node->options.inflight_bytes_max = 100000;
}

void quorum_node_deinit(struct quorum_node *node)
{
    quorum_node_stop(node);
    fuzz_loop_deinit(&node->loop);
    fuzz_net_deinit(&node->net);
}

enum status quorum_node_start(struct quorum_node *node)
{
    enum status status;

    node->fatal = false;
    node->applied = 0;
    node->applied_bytes = 0;
    node->term = 0;
    node->leader = false;
    status = quorum_create(&node->loop.env, &node->options, &handler, node, &node->quorum);
    if (status != STATUS_OK) {
        ASSERT(node->fatal);
        node->quorum = NULL;
    }
    return status;
}

void quorum_node_stop(struct quorum_node *node)
{
    if (node->quorum != NULL) {
        quorum_destroy(node->quorum);
        node->quorum = NULL;
    }
    while (fuzz_net_run(&node->net)) {
        fuzz_loop_run(&node->loop);
    }
    fuzz_loop_run(&node->loop);
}

void quorum_node_run(struct quorum_node *node, uint64_t ns)
{
    do {
        fuzz_loop_run(&node->loop);
    } while (fuzz_net_run(&node->net));
    fuzz_loop_wait(&node->loop, ns);
}
