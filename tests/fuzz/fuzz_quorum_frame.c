/* Frames between controllers: the stream is cut into frames, each decoded; what decodes encodes to the same bytes. Byte
 * 0, bit 0: magic, version, addresses and checksums of frames are put right. */
#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "controller/quorum/edge.h"
#include "tests/fuzz/fuzz.h"

#define SENDER 1
#define RECEIVER 0

static const struct edge_limits limits = {.entry_bytes_max = 1000, .snapshot_bytes_max = 100000};
static const struct edge_identity receiver = {.cluster_id = {{7, 7}}, .id = RECEIVER};

static void repair(struct space data)
{
    size_t at = 0;

    while (data.size - at >= EDGE_HEADER_SIZE) {
        uint8_t *header = data.data + at;
        uint32_t body_size = load_u32(header + 40);

        if (body_size > data.size - at - EDGE_HEADER_SIZE) {
            body_size = (uint32_t)(data.size - at - EDGE_HEADER_SIZE);
        }
        store_u32(header, EDGE_MAGIC);
        header[4] = EDGE_VERSION;
        memcpy(header + 8, receiver.cluster_id.data, sizeof(receiver.cluster_id.data));
        store_u32(header + 24, SENDER);
        store_u32(header + 28, RECEIVER);
        store_u32(header + 40, body_size);
        store_u32(header + 44, crc32c(header + EDGE_HEADER_SIZE, body_size));
        memset(header + 48, 0, 12);
        store_u32(header + 60, crc32c(header, 60));
        at += EDGE_HEADER_SIZE + body_size;
    }
}

static void check_append(const struct edge_message *message)
{
    const struct edge_append *append = &message->append;
    uint64_t term = append->previous_term;

    for (uint32_t i = 0; i < append->count; i++) {
        ASSERT(append->entries[i].term >= term && append->entries[i].term <= message->term);
        ASSERT(append->entries[i].data.size <= limits.entry_bytes_max);
        term = append->entries[i].term;
    }
}

static void check_message(struct bytes frame, struct edge_message *message)
{
    const struct edge_identity sender = {receiver.cluster_id, message->sender};
    const int32_t voters[] = {0, 1, 2};
    struct buffer again;

    ASSERT(message->sender != RECEIVER && message->receiver == RECEIVER && message->term > 0);
    if (message->kind == EDGE_APPEND) {
        check_append(message);
    } else if (message->kind == EDGE_SNAPSHOT_CHUNK) {
        ASSERT(message->chunk.offset + message->chunk.data.size <= message->chunk.total);
        (void)edge_configuration_is(message->chunk.configuration, voters, 3);
    }
    buffer_init(&again);
    edge_encode(sender, message, &again);
    ASSERT(bytes_equal(buffer_bytes(&again), frame));
    buffer_deinit(&again);
}

/* The rules may be asked about any message, whatever the node is doing. */
static void check_judge(struct edge_message *message, uint8_t choice)
{
    const struct edge_rules rules = EDGE_RULES_ALL;
    struct edge_view view;
    enum edge_verdict verdict;

    memset(&view, 0, sizeof(view));
    view.role = (enum edge_role)(choice % 3);
    view.term = choice >> 4;
    view.commit_index = choice >> 2 & 7;
    view.commit_term = view.commit_index > 0 ? 1 : 0;
    verdict = edge_judge(&rules, &view, message);
    ASSERT(verdict >= EDGE_DELIVER && verdict <= EDGE_BROKEN);
    if (message->kind == EDGE_APPEND && verdict == EDGE_DELIVER) {
        uint32_t first = 0;

        while (first < message->append.count) {
            const uint32_t piece = edge_piece(&rules, &message->append, first);

            ASSERT(piece >= 1 && piece <= message->append.count - first);
            first += piece;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t choice = fuzz_byte(&input);
    struct space copy = {memory_copy(input.data, input.size), input.size};
    struct bytes rest = bytes_of(copy.data, copy.size);
    size_t frame_size;

    if ((choice & 1) != 0) {
        repair(copy);
    }
    while (edge_frame_size(receiver, limits, rest, &frame_size) == STATUS_OK) {
        struct edge_message message;
        struct bytes frame;

        ASSERT(frame_size >= EDGE_HEADER_SIZE);
        if (frame_size > rest.size) {
            break;
        }
        frame = fuzz_take(&rest, frame_size);
        if (edge_decode(frame, limits, &message) != STATUS_OK) {
            break;
        }
        check_message(frame, &message);
        check_judge(&message, choice);
        edge_message_deinit(&message);
    }
    memory_free(copy.data);
    return 0;
}
