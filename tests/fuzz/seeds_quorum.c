/* Seeds of controllers' directories, of frames between controllers and of talks with a voter. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "controller/quorum/edge.h"
#include "controller/quorum/wal.h"
#include "tests/fuzz/quorum_node.h"
#include "tests/fuzz/seeds.h"

#include <stdio.h>
#include <stdlib.h>

#define CLUSTER ((struct uuid){{7, 7}})

struct dump {
    struct quorum_node *node;
    struct buffer *out;
};

/* Bytes of a page up to its last one that is not zero. */
static size_t page_used(const uint8_t *page, size_t size)
{
    while (size > 0 && page[size - 1] == 0) {
        size--;
    }
    return size;
}

static void dump_file(void *context, const char *name, enum disk_kind kind)
{
    struct dump *dump = context;
    const bool log = strncmp(name, "wal-", 4) == 0;
    struct buffer *contents;
    char path[DISK_PATH_MAX];
    size_t size;

    if (kind != DISK_FILE || (!log && strncmp(name, "snapshot-", 9) != 0)) {
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", QUORUM_NODE_DIRECTORY, name);
    contents = memory_disk_contents(&dump->node->loop.memory, path);
    size = log ? page_used(contents->data, contents->size) : contents->size;
    seed_byte(dump->out, log ? 0 : 1);
    seed_byte(dump->out, (unsigned)strtoul(name + (log ? 4 : 9), NULL, 10));
    seed_byte(dump->out, (unsigned)((size + WAL_ALIGNMENT - 1) / WAL_ALIGNMENT));
    for (size_t at = 0; at < size; at += WAL_ALIGNMENT) {
        const size_t left = size - at < WAL_ALIGNMENT ? size - at : WAL_ALIGNMENT;
        const size_t used = log ? page_used(contents->data + at, left) : left;

        seed_u16(dump->out, used);
        buffer_append(dump->out, contents->data + at, used);
    }
}

static void done(struct quorum_proposal *proposal, enum status status)
{
    (void)status;
    memory_free(proposal);
}

static void propose(struct quorum_node *node, size_t size)
{
    struct quorum_proposal *proposal = memory_alloc_zero(1, sizeof(*proposal));
    uint8_t *entry = memory_alloc_zero(1, size);

    proposal->done = done;
    quorum_propose(node->quorum, bytes_of(entry, size), proposal);
    memory_free(entry);
    for (int i = 0; i < 4; i++) {
        quorum_node_run(node, 300 * NS_PER_MS);
    }
}

/* `entries` large ones, so that snapshots are taken and segments begun. */
static void directory_seed(const char *name, int voters, int entries, size_t entry_size, int starts)
{
    struct quorum_node node;
    struct buffer out;

    quorum_node_init(&node, voters);
    for (int i = 0; i < starts; i++) {
        ASSERT(quorum_node_start(&node) == STATUS_OK);
        for (int j = 0; j < entries; j++) {
            propose(&node, entry_size);
        }
        quorum_node_stop(&node);
    }
    buffer_init(&out);
    seed_byte(&out, voters == 1 ? 3 : 1);
    ASSERT(disk_list(&node.loop.memory.disk, QUORUM_NODE_DIRECTORY, dump_file, &(struct dump){&node, &out}) ==
           STATUS_OK);
    seed_write("quorum_wal", name, buffer_bytes(&out));
    buffer_deinit(&out);
    quorum_node_deinit(&node);
}

/* Adds a message of voter 1 to node 0, as a frame and as a step of fuzz_quorum_peer. */
static void say(struct buffer *frames, struct buffer *steps, struct edge_message message)
{
    struct buffer frame;

    message.sender = 1;
    message.receiver = 0;
    message.sender_term = message.term;
    buffer_init(&frame);
    edge_encode((struct edge_identity){CLUSTER, 1}, &message, &frame);
    buffer_append(frames, frame.data, frame.size);
    seed_byte(steps, 1 << 5);
    seed_byte(steps, (unsigned)message.kind - 1);
    seed_byte(steps, (unsigned)(frame.size - EDGE_HEADER_SIZE));
    buffer_append(steps, frame.data + EDGE_HEADER_SIZE, frame.size - EDGE_HEADER_SIZE);
    buffer_deinit(&frame);
}

static void talk_seed(const char *name, const struct edge_message *messages, size_t count)
{
    struct buffer frames;
    struct buffer steps;

    buffer_init(&frames);
    buffer_init(&steps);
    seed_byte(&frames, 0);
    seed_byte(&steps, 0x81); /* three voters, connections open */
    for (size_t i = 0; i < count; i++) {
        say(&frames, &steps, messages[i]);
        seed_byte(&steps, 3);
        seed_byte(&steps, i == 0 ? 100 : 1);
    }
    seed_write("quorum_frame", name, buffer_bytes(&frames));
    seed_write("quorum_peer", name, buffer_bytes(&steps));
    buffer_deinit(&frames);
    buffer_deinit(&steps);
}

static void talks(void)
{
    struct edge_entry entries[2] = {{2, LOG_BARRIER, {(const uint8_t *)"", 0}},
                                    {2, LOG_COMMAND, {(const uint8_t *)"command", 7}}};
    const struct edge_message follower[] = {
        {.kind = EDGE_VOTE, .term = 2, .vote = {1, 1, false, true}},
        {.kind = EDGE_VOTE, .term = 2, .vote = {1, 1, false, false}},
        {.kind = EDGE_APPEND, .term = 2, .append = {1, 1, 0, entries, 2}},
        {.kind = EDGE_APPEND, .term = 2, .append = {3, 2, 3, NULL, 0}},
        {.kind = EDGE_TIMEOUT_NOW, .term = 2, .timeout_now = {3, 2}},
    };
    const struct edge_message leader[] = {
        {.kind = EDGE_VOTE_RESULT, .term = 2, .vote_result = {true, true}},
        {.kind = EDGE_VOTE_RESULT, .term = 2, .vote_result = {true, false}},
        {.kind = EDGE_APPEND_RESULT, .term = 2, .append_result = {0, 2}},
        {.kind = EDGE_APPEND_RESULT, .term = 2, .append_result = {2, 1}},
    };
    const struct edge_message snapshot[] = {
        {.kind = EDGE_SNAPSHOT_CHUNK,
         .term = 2,
         .chunk = {9, 2, 1, 5, 0, 0x9a71bb4c, {(const uint8_t *)"conf", 4}, {(const uint8_t *)"hello", 5}}},
        {.kind = EDGE_APPEND, .term = 2, .append = {9, 2, 9, NULL, 0}},
    };

    talk_seed("follower", follower, sizeof(follower) / sizeof(follower[0]));
    talk_seed("leader", leader, sizeof(leader) / sizeof(leader[0]));
    talk_seed("snapshot", snapshot, sizeof(snapshot) / sizeof(snapshot[0]));
}

void seeds_of_quorum(void)
{
    directory_seed("sole", 1, 3, 20, 1);
    directory_seed("sole-restarted", 1, 2, 20, 3);
    directory_seed("sole-snapshots", 1, 14, 1900, 1);
    directory_seed("follower", 3, 0, 0, 2);
    talks();
}
