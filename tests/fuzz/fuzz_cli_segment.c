/* `log dump` and `log verify`: any bytes as a segment, an offset index and a time index. Byte 0: bit 0 puts checksums
 * of batches right; bytes 1 and 2: how much of the input is the segment, the rest is the index. */
#include "cli/segment_file.h"
#include "common/base/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct seen {
    uint64_t position;
    size_t batches;
};

static void each_batch(void *context, const struct segment_batch *batch)
{
    struct seen *seen = context;

    ASSERT(batch->position >= seen->position && batch->bytes.size == batch_size(&batch->header));
    ASSERT(batch->crc_matches == batch_crc_matches(batch->bytes));
    seen->position = batch->position + batch->bytes.size;
    seen->batches++;
}

static void each_problem(void *context, uint64_t position, const char *text)
{
    (void)context;
    (void)position;
    ASSERT(text[0] != 0);
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

/* A file in memory; `path` is its name. */
static int make_file(struct bytes contents, char path[64])
{
    const int descriptor = memfd_create("fuzz", 0);

    ASSERT(descriptor >= 0);
    ASSERT(write(descriptor, contents.data, contents.size) == (ssize_t)contents.size);
    snprintf(path, 64, "/proc/self/fd/%d", descriptor);
    return descriptor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t flags = fuzz_byte(&input);
    const size_t log_size = fuzz_u16(&input);
    const struct bytes taken = fuzz_take(&input, log_size);
    struct space log = {memory_copy(taken.data, taken.size), taken.size};
    struct seen seen = {0, 0};
    const struct segment_visitor visitor = {each_batch, each_problem, &seen};
    char log_path[64];
    char index_path[64];
    int log_file;
    int index_file;

    if ((flags & 1) != 0) {
        repair(log);
    }
    log_file = make_file(bytes_of(log.data, log.size), log_path);
    index_file = make_file(input, index_path);
    ASSERT(segment_walk(log_path, (flags & 2) != 0 ? 0 : -1, &visitor) == STATUS_OK);
    ASSERT(seen.position <= log.size);
    ASSERT(segment_check_index(index_path, log_path, 0, &visitor) == STATUS_OK);
    ASSERT(segment_check_time_index(index_path, 0, &visitor) == STATUS_OK);
    close(log_file);
    close(index_file);
    memory_free(log.data);
    return 0;
}
