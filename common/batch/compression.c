/* What the codecs have in common: names, levels, bounded output, and the two calls that pick one. */
#include "common/batch/compression.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/codec.h"

/* First guess of the output's size, and the least it grows by. */
#define OUTPUT_STEP_MIN 4096

struct codec_row {
    const char *name;
    int level_min;
    int level_max;
    int level_default;
};

static const struct codec_row codecs[COMPRESSION_COUNT] = {
    [COMPRESSION_NONE] = {"none", 0, 0, 0},           [COMPRESSION_GZIP] = {"gzip", 1, 9, -1},
    [COMPRESSION_SNAPPY] = {"snappy", 0, 0, 0},       [COMPRESSION_LZ4] = {"lz4", 1, 17, 9},
    [COMPRESSION_ZSTD] = {"zstd", -131072, 22, 3},
};

struct compression_context *compression_context_create(void)
{
    return memory_alloc_zero(1, sizeof(struct compression_context));
}

static void context_deinit(struct compression_context *context)
{
    gzip_context_free(context);
    lz4_context_free(context);
    zstd_context_free(context);
}

void compression_context_destroy(struct compression_context *context)
{
    if (context == NULL) {
        return;
    }
    context_deinit(context);
    memory_free(context);
}

enum status compression_parse(struct string name, enum compression *codec)
{
    if (string_is(name, "uncompressed")) {
        *codec = COMPRESSION_NONE;
        return STATUS_OK;
    }
    for (int i = 0; i < COMPRESSION_COUNT; i++) {
        if (string_is(name, codecs[i].name)) {
            *codec = (enum compression)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

const char *compression_name(enum compression codec)
{
    ASSERT((unsigned)codec < COMPRESSION_COUNT);
    return codecs[codec].name;
}

int compression_level_default(enum compression codec)
{
    ASSERT((unsigned)codec < COMPRESSION_COUNT);
    return codecs[codec].level_default;
}

bool compression_level_valid(enum compression codec, int level)
{
    const struct codec_row *row = &codecs[codec];

    ASSERT((unsigned)codec < COMPRESSION_COUNT);
    return (level >= row->level_min && level <= row->level_max) || level == row->level_default;
}

struct space output_space(struct output *output, size_t wanted)
{
    struct buffer *buffer = output->buffer;
    const size_t capacity_max = output->start + output->limit + 1;

    ASSERT(!output_exceeded(output));
    if (wanted < OUTPUT_STEP_MIN) {
        wanted = OUTPUT_STEP_MIN;
    }
    if (buffer->capacity - buffer->size < wanted && buffer->capacity < capacity_max) {
        size_t capacity = buffer->size + wanted;

        if (capacity < buffer->capacity * 2) {
            capacity = buffer->capacity * 2;
        }
        if (capacity > capacity_max) {
            capacity = capacity_max;
        }
        buffer->data = memory_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    /* A buffer that was larger from before must not move the limit. */
    const size_t end = buffer->capacity < capacity_max ? buffer->capacity : capacity_max;
    return (struct space){buffer->data + buffer->size, end - buffer->size};
}

static enum status plain_copy(struct bytes in, struct output *output)
{
    if (in.size > output->limit) {
        return STATUS_TOO_LARGE;
    }
    buffer_append(output->buffer, in.data, in.size);
    return STATUS_OK;
}

static enum status decompress_with(struct compression_context *context, enum compression codec, struct bytes in,
                                   struct output *output)
{
    switch (codec) {
    case COMPRESSION_NONE:
        return plain_copy(in, output);
    case COMPRESSION_GZIP:
        return gzip_decompress(context, in, output);
    case COMPRESSION_SNAPPY:
        return snappy_decompress(in, output);
    case COMPRESSION_LZ4:
        return lz4_decompress(context, in, output);
    case COMPRESSION_ZSTD:
        return zstd_decompress(context, in, output);
    }
    UNREACHABLE();
}

enum status compression_decode(struct compression_context *context, enum compression codec, struct bytes in,
                               size_t limit, struct buffer *out)
{
    struct compression_context own = {0};
    struct output output = {.buffer = out, .start = out->size, .limit = limit};
    enum status status;

    ASSERT(limit <= COMPRESSION_SIZE_MAX);
    if (in.size > COMPRESSION_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    status = decompress_with(context != NULL ? context : &own, codec, in, &output);
    if (status == STATUS_OK && output_exceeded(&output)) {
        status = STATUS_TOO_LARGE;
    }
    if (status != STATUS_OK) {
        out->size = output.start;
    }
    context_deinit(&own);
    return status;
}

void compression_encode(struct compression_context *context, enum compression codec, int level, struct bytes in,
                        struct buffer *out)
{
    struct compression_context own = {0};

    ASSERT(in.size <= COMPRESSION_SIZE_MAX);
    ASSERT(compression_level_valid(codec, level));
    switch (codec) {
    case COMPRESSION_NONE:
        buffer_append(out, in.data, in.size);
        break;
    case COMPRESSION_GZIP:
        gzip_compress(level, in, out);
        break;
    case COMPRESSION_SNAPPY:
        snappy_frame_compress(in, out);
        break;
    case COMPRESSION_LZ4:
        lz4_compress(level, in, out);
        break;
    case COMPRESSION_ZSTD:
        zstd_compress(context != NULL ? context : &own, level, in, out);
        break;
    }
    context_deinit(&own);
}
