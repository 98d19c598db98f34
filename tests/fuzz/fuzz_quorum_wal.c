/* A controller's directory with any bytes in its files: it starts or says why not; what started is there again at the
 * next start, and a sole voter goes on working.
 *
 *     byte 0   flags (below)
 *     then files: kind (0 log segment, 1 snapshot, 2 unfinished snapshot), number, pages, and for each page of 4 KiB
 *     its size u16 and its bytes; what is left of a page is zeros */
#include "common/base/crc32c.h"
#include "controller/quorum/wal_record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quorum_node.h"

#include <stdio.h>

enum flag {
    FLAG_REPAIR = 1, /* checksums, identity and the chain are put right */
    FLAG_SOLE = 2,   /* the only voter, else one of three */
    FLAG_SEQUENCE = 4, /* sequence numbers are put right too */
};

static void repair_log(struct buffer *file, unsigned number, unsigned flags, struct wal_chain *chain,
                       uint32_t identity)
{
    size_t at = 0;

    while (file->size - at >= WAL_HEADER_SIZE) {
        uint8_t *header = file->data + at;
        uint32_t body_size = load_u32(header + 40);

        if (load_u32(header) != load_u32("MLWR")) {
            at = (at + WAL_ALIGNMENT) & ~(size_t)(WAL_ALIGNMENT - 1);
            if (at > file->size) {
                return;
            }
            continue;
        }
        if (body_size > file->size - at - WAL_HEADER_SIZE) {
            return;
        }
        if ((flags & FLAG_SEQUENCE) != 0) {
            store_u64(header + 8, chain->sequence + 1);
        } else if (WAL_SEQUENCE_MAX - load_u64(header + 8) < 1000) {
            store_u64(header + 8, WAL_SEQUENCE_MAX - 2000); /* or it starts, but not once more */
        }
        store_u32(header + 44, crc32c(header + WAL_HEADER_SIZE, body_size));
        store_u32(header + 48, chain->checksum);
        store_u32(header + 52, identity);
        store_u32(header + 56, number);
        store_u32(header + 60, crc32c(header, 60));
        *chain = (struct wal_chain){load_u64(header + 8), load_u32(header + 60)};
        at += wal_record_size(body_size);
        if (at > file->size) {
            return;
        }
    }
}

static void repair_snapshot(struct buffer *file, unsigned number, uint32_t identity)
{
    uint8_t *header = file->data;
    uint32_t size;
    size_t at;

    if (file->size < 64) {
        return;
    }
    store_u32(header + 8, identity);
    store_u64(header + 16, number);
    size = load_u32(header + 48);
    at = 64 + (size_t)size;
    if (at <= file->size) {
        store_u32(header + 52, crc32c(header + 64, size));
    }
    while (at < file->size && file->size - at >= 8) {
        size = load_u32(file->data + at);
        if (size > file->size - at - 8) {
            break;
        }
        store_u32(file->data + at + 4, crc32c(file->data + at + 8, size));
        at += 8 + (size_t)size;
    }
    store_u32(header + 60, crc32c(header, 60));
}

static void add_file(struct quorum_node *node, struct bytes *input, unsigned flags, struct wal_chain *chain)
{
    const struct edge_identity identity = {node->options.cluster_id, 0};
    const unsigned kind = fuzz_byte(input) % 3;
    const unsigned number = fuzz_byte(input);
    struct buffer file;
    char path[DISK_PATH_MAX];

    buffer_init(&file);
    for (unsigned pages = fuzz_byte(input) % 8; pages > 0; pages--) {
        const struct bytes page = fuzz_take(input, fuzz_u16(input) % (WAL_ALIGNMENT + 1));

        if (page.size > 0) {
            buffer_append(&file, page.data, page.size);
        }
        if (kind == 0) {
            memset(buffer_reserve(&file, WAL_ALIGNMENT - page.size), 0, WAL_ALIGNMENT - page.size);
            file.size += WAL_ALIGNMENT - page.size;
        }
    }
    if ((flags & FLAG_REPAIR) != 0) {
        if (kind == 0) {
            repair_log(&file, number, flags, chain, wal_identity(identity));
        } else {
            repair_snapshot(&file, number, wal_identity(identity));
        }
    }
    snprintf(path, sizeof(path), kind == 0 ? "%s/wal-%020u.log" : "%s/snapshot-%020u.snap%s", QUORUM_NODE_DIRECTORY,
             number, kind == 2 ? ".tmp" : "");
    fuzz_loop_file(&node->loop, path, buffer_bytes(&file));
    buffer_deinit(&file);
}

static void proposed(struct quorum_proposal *proposal, enum status status)
{
    ASSERT(status == STATUS_OK);
    proposal->term = 0;
}

/* A sole voter leads at once, and what it applies stays. */
static void work(struct quorum_node *node)
{
    struct quorum_proposal proposal = {.done = proposed, .term = 1};
    const uint64_t before = node->applied;

    ASSERT(node->leader);
    quorum_propose(node->quorum, bytes_of("entry", 5), &proposal);
    for (int i = 0; i < 5; i++) {
        quorum_node_run(node, NS_PER_MS);
    }
    ASSERT(proposal.term == 0 && proposal.index > before && node->applied == proposal.index);
}

/* Nearly no election or entry may follow: the voter ends itself rather than write what it would not read again. */
static bool at_the_end(const struct quorum_node *node)
{
    struct quorum_status status;

    quorum_status_get(node->quorum, &status);
    return status.term > EDGE_INDEX_MAX - 100 || status.last_index > EDGE_INDEX_MAX - 100;
}

static void live(struct quorum_node *node, unsigned flags)
{
    struct quorum_status before;
    struct quorum_status after;

    for (int i = 0; i < 20 && !node->fatal; i++) {
        quorum_node_run(node, 200 * NS_PER_MS);
    }
    if (at_the_end(node)) {
        enum status status;

        quorum_node_stop(node);
        status = quorum_node_start(node);
        ASSERT(status == STATUS_OK || status == STATUS_CORRUPT);
        return;
    }
    ASSERT(!node->fatal);
    if ((flags & FLAG_SOLE) != 0) {
        work(node);
    }
    quorum_status_get(node->quorum, &before);
    ASSERT(before.commit_index <= before.last_index && before.applied_index <= before.commit_index);
    quorum_node_stop(node);
    ASSERT(quorum_node_start(node) == STATUS_OK);
    quorum_node_run(node, NS_PER_MS);
    quorum_status_get(node->quorum, &after);
    ASSERT(after.term >= before.term && after.last_index >= before.last_index);
    if ((flags & FLAG_SOLE) != 0) {
        ASSERT(after.applied_index >= before.applied_index);
        work(node);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned flags = fuzz_byte(&input);
    struct wal_chain chain = {0, 0};
    struct quorum_node node;
    enum status status;

    quorum_node_init(&node, (flags & FLAG_SOLE) != 0 ? 1 : 3);
    ASSERT(disk_make_directories(&node.loop.memory.disk, QUORUM_NODE_DIRECTORY) == STATUS_OK);
    while (input.size > 0) {
        add_file(&node, &input, flags, &chain);
    }
    status = quorum_node_start(&node);
    if (status == STATUS_OK) {
        live(&node, flags);
    } else {
        ASSERT(status == STATUS_CORRUPT || status == STATUS_INVALID || status == STATUS_UNSUPPORTED);
    }
    quorum_node_deinit(&node);
    return 0;
}
