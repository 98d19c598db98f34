/* A running voter and what its peers say: any frames, at any time, on several connections. Whatever comes, the voter
 * follows its rules or ends itself, and after that it starts again from what it had made durable.
 *
 *     byte 0        1, 3 or 5 voters; bit 7: connections to peers open
 *     then steps:   a byte of what happens, with its operands (step below)
 *
 * Bytes of frames get their addresses and checksums put right, or nothing would be reached. */
#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "controller/quorum/edge.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quorum_node.h"

#define CONNECTIONS 3

struct peer {
    struct quorum_inbound *inbound; /* NULL: not connected */
    bool close;
};

struct world {
    struct quorum_node node;
    struct peer peers[CONNECTIONS];
    uint64_t applied; /* highest ever */
};

static void close_asked(void *context)
{
    struct peer *peer = context;

    ASSERT(!peer->close);
    peer->close = true;
}

static void disconnect(struct peer *peer)
{
    if (peer->inbound != NULL) {
        quorum_inbound_closed(peer->inbound);
    }
    *peer = (struct peer){NULL, false};
}

static void deliver(struct world *world, struct peer *peer, uint8_t kind, int32_t sender, struct bytes body)
{
    uint8_t *frame = memory_alloc_zero(1, EDGE_HEADER_SIZE + body.size);

    store_u32(frame, EDGE_MAGIC);
    frame[4] = EDGE_VERSION;
    frame[5] = (uint8_t)(kind % EDGE_KIND_LAST + 1);
    store_u16(frame + 6, kind >> 7);
    memcpy(frame + 8, world->node.options.cluster_id.data, sizeof(world->node.options.cluster_id.data));
    store_u32(frame + 24, (uint32_t)sender);
    /* The sender's real term: that of the message, or 0. */
    store_u64(frame + 32, body.size >= 8 && (kind & 0x40) == 0 ? load_u64(body.data) : 0);
    store_u32(frame + 40, (uint32_t)body.size);
    memcpy(frame + EDGE_HEADER_SIZE, body.data, body.size);
    store_u32(frame + 44, crc32c(body.data, body.size));
    store_u32(frame + 60, crc32c(frame, 60));
    if (peer->inbound == NULL) {
        peer->inbound = quorum_inbound_open(world->node.quorum, close_asked, peer);
    }
    if (!quorum_inbound_bytes(peer->inbound, bytes_of(frame, EDGE_HEADER_SIZE + body.size)) || peer->close) {
        disconnect(peer);
    }
    memory_free(frame);
}

static void proposed(struct quorum_proposal *proposal, enum status status)
{
    ASSERT(status == STATUS_OK || status == STATUS_NOT_LEADER || status == STATUS_UNKNOWN_OUTCOME ||
           status == STATUS_FULL || status == STATUS_TOO_LARGE || status == STATUS_CLOSED);
    memory_free(proposal);
}

static struct quorum_proposal *proposal_create(void)
{
    struct quorum_proposal *proposal = memory_alloc_zero(1, sizeof(*proposal));

    proposal->done = proposed;
    return proposal;
}

/* Starts again; what was applied was committed, so it must still be there. False: it refused. */
static bool restart(struct world *world)
{
    struct quorum_status status;

    for (int i = 0; i < CONNECTIONS; i++) {
        disconnect(&world->peers[i]);
    }
    quorum_node_stop(&world->node);
    if (quorum_node_start(&world->node) != STATUS_OK) {
        return false;
    }
    quorum_status_get(world->node.quorum, &status);
    ASSERT(status.last_index >= world->applied);
    return true;
}

static void check(struct world *world)
{
    struct quorum_status status;

    quorum_status_get(world->node.quorum, &status);
    ASSERT(status.applied_index <= status.commit_index && status.commit_index <= status.last_index);
    if (world->node.applied > world->applied) {
        world->applied = world->node.applied;
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        if (world->peers[i].close) {
            disconnect(&world->peers[i]);
        }
    }
}

static void step(struct world *world, struct bytes *input)
{
    const uint8_t what = fuzz_byte(input);
    struct quorum_node *node = &world->node;

    switch (what % 8) {
    case 0:
    case 1:
    case 2: { /* a frame: kind and flags, size of the body, body */
        const uint8_t kind = fuzz_byte(input);
        const uint8_t size = fuzz_byte(input);

        deliver(world, &world->peers[what % 8], kind, what >> 5, fuzz_take(input, size));
        break;
    }
    case 3: /* time */
        quorum_node_run(node, fuzz_byte(input) * 20 * NS_PER_MS);
        break;
    case 4:
        quorum_propose(node->quorum, fuzz_take(input, what >> 3), proposal_create());
        break;
    case 5:
        quorum_barrier(node->quorum, proposal_create());
        break;
    case 6:
        quorum_resign(node->quorum);
        break;
    default:
        disconnect(&world->peers[(what >> 3) % CONNECTIONS]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t choice = fuzz_byte(&input);
    struct world world = {.applied = 0};
    bool runs;

    quorum_node_init(&world.node, 1 + choice % 3 * 2);
    world.node.net.opens = (choice & 0x80) != 0;
    runs = quorum_node_start(&world.node) == STATUS_OK;
    ASSERT(runs);
    for (int i = 0; i < 200 && input.size > 0; i++) {
        step(&world, &input);
        check(&world);
        if (world.node.fatal) {
            break;
        }
        if (i % 8 == 7) {
            quorum_node_run(&world.node, NS_PER_MS);
        }
    }
    (void)restart(&world);
    for (int i = 0; i < CONNECTIONS; i++) {
        disconnect(&world.peers[i]);
    }
    quorum_node_deinit(&world.node);
    return 0;
}
