/* What `consume` makes of fetched bytes, whatever the server sent. Byte 0: bit 0 puts checksums of batches right, bit 1
 * checks them, bit 2 leaves aborted transactions out; byte 1: the offset to read from; byte 2: where to stop. */
#include "cli/consumer.h"
#include "common/base/memory.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    int64_t offset;      /* behind the last record */
    int64_t offset_stop;
    int left;            /* records until it is enough */
};

static enum consumer_verdict emit(void *context, const struct batch_header *batch, const struct record *record)
{
    struct seen *seen = context;

    ASSERT(!batch->control && record->offset >= seen->offset && record->offset < seen->offset_stop);
    seen->offset = record->offset + 1;
    seen->left--;
    return seen->left > 0 ? CONSUMER_MORE : CONSUMER_ENOUGH;
}

static void repair(struct space bytes)
{
    size_t at = 0;

    while (bytes.size - at >= RECORD_BATCH_HEADER_SIZE) {
        const uint32_t size = load_u32(bytes.data + at + 8) + RECORD_BATCH_OVERHEAD;

        if (bytes.data[at + 16] != RECORD_BATCH_MAGIC || size < RECORD_BATCH_HEADER_SIZE || size > bytes.size - at) {
            return;
        }
        batch_set_crc((struct space){bytes.data + at, size});
        at += size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct aborted_transaction aborted[] = {{1, 0}, {2, 2}, {1, 6}, {-1, 9}};
    struct bytes input = bytes_of(data, size);
    const uint8_t flags = fuzz_byte(&input);
    const int64_t from = fuzz_byte(&input);
    const uint8_t stop = fuzz_byte(&input);
    struct space copy = {memory_copy(input.data, input.size), input.size};
    const struct consumer_limits limits = {.check_crcs = (flags & 2) != 0,
                                           .offset_stop = stop > 0 ? stop : INT64_MAX,
                                           .aborted = (flags & 4) != 0 ? aborted : NULL,
                                           .aborted_count = (flags & 4) != 0 ? 4 : 0};
    struct seen seen = {.offset = from, .offset_stop = limits.offset_stop, .left = (flags >> 4) + 1};
    struct consumer consumer;
    int64_t offset = from;
    enum status status;

    if ((flags & 1) != 0) {
        repair(copy);
    }
    consumer_init(&consumer);
    status = consumer_read(&consumer, bytes_of(copy.data, copy.size), &limits, &offset, emit, &seen);
    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_TOO_LARGE ||
           status == STATUS_UNSUPPORTED);
    ASSERT(seen.left >= 0 && (offset >= seen.offset || offset == limits.offset_stop));
    consumer_deinit(&consumer);
    memory_free(copy.data);
    return 0;
}
