/* The batch of every request. Half of each value is random, half is text, so that codecs find about as much to do as in
 * everyday data. The first eight bytes of the first value are for the time at which it is sent. */
#include "tests/bench/load.h"

#include "common/base/memory.h"
#include "common/base/prng.h"
#include "common/batch/batch_builder.h"

static const char words[] = "{\"user\":\"anna\",\"action\":\"opened the door\",\"place\":\"north mill\",\"count\":12} ";
static const uint8_t mark[8] = {0xd7, 0x31, 0x88, 0x0c, 0x5a, 0xe9, 0x42, 0x9f};

static void value_fill(uint8_t *value, size_t size, struct prng *prng)
{
    for (size_t i = 0; i < size; i++) {
        value[i] = i < size / 2 ? (uint8_t)prng_next(prng) : (uint8_t)words[i % (sizeof(words) - 1)];
    }
}

void batch_make(struct batch *batch, const struct load_options *options)
{
    struct batch_options shape = batch_options_default();
    uint8_t *value = memory_alloc(options->record_size);
    struct batch_builder builder;
    struct timespec now;
    struct prng prng;
    struct space done;

    clock_gettime(CLOCK_REALTIME, &now);
    prng_init(&prng, 1);
    shape.compression = options->codec;
    shape.compression_level = compression_level_default(options->codec);
    batch_builder_init(&builder, &shape);
    for (uint32_t i = 0; i < options->records; i++) {
        const struct record_draft draft = {.timestamp = (int64_t)now.tv_sec * 1000,
                                           .value = bytes_of(value, options->record_size)};

        value_fill(value, options->record_size, &prng);
        if (i == 0) {
            memcpy(value, mark, sizeof(mark));
        }
        if (batch_builder_append(&builder, &draft) != STATUS_OK) {
            load_fail("a batch of %u records of %u bytes is too large", options->records, options->record_size);
        }
    }
    done = batch_builder_finish(&builder);
    buffer_init(&batch->bytes);
    buffer_append(&batch->bytes, done.data, done.size);
    batch->records = options->records;
    batch->stamp_at = 0;
    if (options->codec == COMPRESSION_NONE) {
        const uint8_t *at = memmem(batch->bytes.data, batch->bytes.size, mark, sizeof(mark));

        ASSERT(at != NULL);
        batch->stamp_at = (size_t)(at - batch->bytes.data);
    }
    batch_builder_deinit(&builder);
    memory_free(value);
}
