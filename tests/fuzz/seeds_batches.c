/* Seeds of record batches and of what compresses them. */
#include "common/batch/batch_builder.h"
#include "common/batch/control_record.h"
#include "tests/fuzz/seeds.h"

#include "common/base/assert.h"

#include <stdio.h>

static void batch_seed(const char *name, unsigned flags, struct bytes batch)
{
    static const uint8_t index[24] = {[3] = 4, [7] = 100, [11] = 9, [15] = 200, [19] = 12};
    struct buffer out;

    buffer_init(&out);
    seed_byte(&out, flags);
    buffer_append(&out, batch.data, batch.size);
    seed_write("record_batch", name, buffer_bytes(&out));
    buffer_clear(&out);
    buffer_append(&out, "\7\0\0", 3);
    buffer_append(&out, batch.data, batch.size);
    seed_write("cli_consumer", name, buffer_bytes(&out));
    buffer_clear(&out);
    seed_byte(&out, 3);
    seed_u16(&out, batch.size);
    buffer_append(&out, batch.data, batch.size);
    buffer_append(&out, index, sizeof(index));
    seed_write("cli_segment", name, buffer_bytes(&out));
    buffer_deinit(&out);
}

static void batch_of(const char *name, const struct batch_options *options, size_t header_count)
{
    static const struct record_header headers[] = {{STRING("a"), {(const uint8_t *)"1", 1}}, {STRING("trace"), {0}}};
    struct batch_builder builder;
    struct space batch;

    batch_builder_init(&builder, options);
    for (int i = 0; i < 5; i++) {
        const struct record_draft draft = {.timestamp = 1000 + i * 7,
                                           .key = i % 2 == 0 ? bytes_of("key", 3) : BYTES_NULL,
                                           .value = i == 3 ? BYTES_NULL : bytes_of("some value, some value", 22),
                                           .headers = headers,
                                           .header_count = header_count};

        ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    }
    batch = batch_builder_finish(&builder);
    batch_seed(name, 1, bytes_of(batch.data, batch.size));
    batch_builder_deinit(&builder);
}

static void compressed(enum compression codec, bool packed)
{
    struct buffer text;
    struct buffer out;
    char name[64];

    buffer_init(&text);
    buffer_init(&out);
    for (int i = 0; i < 40; i++) {
        buffer_append_format(&text, "line %d of a text that repeats; ", i % 7);
    }
    seed_byte(&out, (unsigned)codec | (packed ? 0 : 0x80));
    seed_byte(&out, packed ? 12 : 3);
    if (packed) {
        compression_encode(NULL, codec, compression_level_default(codec), buffer_bytes(&text), &out);
    } else {
        buffer_append(&out, text.data, text.size);
    }
    snprintf(name, sizeof(name), "%s-%s", compression_name(codec), packed ? "packed" : "text");
    seed_write("compression", name, buffer_bytes(&out));
    buffer_deinit(&text);
    buffer_deinit(&out);
}

void seeds_of_batches(void)
{
    const struct transaction_marker marker = {.commit = true, .producer_id = 7, .coordinator_epoch = 2, .timestamp = 9};
    uint8_t control[TRANSACTION_MARKER_SIZE];

    for (int codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct batch_options options = batch_options_default();
        char name[64];

        options.compression = (enum compression)codec;
        options.compression_level = compression_level_default(options.compression);
        snprintf(name, sizeof(name), "plain-%s", compression_name(options.compression));
        batch_of(name, &options, 0);
        options.producer_id = 12;
        options.producer_epoch = 3;
        options.base_sequence = 40;
        options.transactional = true;
        snprintf(name, sizeof(name), "headers-%s", compression_name(options.compression));
        batch_of(name, &options, 2);
        compressed(options.compression, true);
        compressed(options.compression, false);
    }
    transaction_marker_write(&marker, control);
    batch_seed("marker", 1, bytes_of(control, sizeof(control)));
}
