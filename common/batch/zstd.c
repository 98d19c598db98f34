/* zstd frames. Each is decompressed in one call straight into the output: no window beside it, whatever the frame
 * header says. The price is that a frame which did not fit begins again with four times the room, a third more work
 * in all; the first guess is generous enough that ordinary batches never pay it. */
#include "common/base/assert.h"
#include "common/batch/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27
#define RATIO_GUESS 8
#define BLOCK_RATIO_MAX (128 * 1024 / 4)
#define FRAME_MAGIC 0xfd2fb528U
#define SKIPPABLE_MAGIC 0x184d2a50U
#define SKIPPABLE_MASK 0xfffffff0U
/* Frame header descriptor: the content is one segment, and there is no window descriptor. */
#define SINGLE_SEGMENT 0x20
/* Magic, descriptor, window descriptor. */
#define FRAME_HEADER_READ 6

/* The format's little-endian magic. */
static uint32_t frame_magic_load(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* True if `frame` is skippable or a frame with a window that every client takes. RFC 8878 section 3.1.1.1.2: exponent
 * in five bits, eighths in three. A single segment is its own window, which the output's limit bounds. */
static bool frame_acceptable(struct bytes frame)
{
    uint32_t magic;
    uint64_t window;

    if (frame.size < FRAME_HEADER_READ) {
        return false;
    }
    magic = frame_magic_load(frame.data);
    if ((magic & SKIPPABLE_MASK) == SKIPPABLE_MAGIC) {
        return true;
    }
    if (magic != FRAME_MAGIC) {
        return false;
    }
    if ((frame.data[4] & SINGLE_SEGMENT) != 0) {
        return true;
    }
    window = (uint64_t)1 << (10 + (frame.data[5] >> 3));
    window += window / 8 * (frame.data[5] & 7U);
    return window <= (uint64_t)1 << WINDOW_LOG_MAX;
}

/* The most that can come out of a frame: a block of four bytes gives one byte up to 128 Ki times (RFC 8878 section
 * 3.1.1.2). What its header says may be anything. */
static size_t frame_content_max(size_t size)
{
    return size < COMPRESSION_SIZE_MAX / BLOCK_RATIO_MAX ? size * BLOCK_RATIO_MAX : COMPRESSION_SIZE_MAX;
}

static enum status frame_decompress(ZSTD_DCtx *reader, struct bytes frame, struct output *output)
{
    const size_t content_max = frame_content_max(frame.size);
    size_t wanted = frame.size * RATIO_GUESS;

    for (;;) {
        struct space space = output_space(output, wanted);
        size_t size;

        /* The library takes blocks larger than the format's; whether one does must not be for the room to say. */
        space.size = space.size < content_max ? space.size : content_max;
        size = ZSTD_decompressDCtx(reader, space.data, space.size, frame.data, frame.size);

        if (!ZSTD_isError(size)) {
            output->buffer->size += size;
            return output_exceeded(output) ? STATUS_TOO_LARGE : STATUS_OK;
        }
        if (ZSTD_getErrorCode(size) != ZSTD_error_dstSize_tooSmall) {
            return STATUS_CORRUPT;
        }
        if (space.size >= content_max) {
            return STATUS_CORRUPT;
        }
        if (output_size(output) + space.size > output->limit) {
            return STATUS_TOO_LARGE;
        }
        wanted = space.size * 4 < content_max ? space.size * 4 : content_max;
    }
}

enum status zstd_decompress(struct compression_context *context, struct bytes in, struct output *output)
{
    if (context->zstd_reader == NULL) {
        context->zstd_reader = ZSTD_createDCtx();
        ASSERT(context->zstd_reader != NULL);
    }
    do {
        enum status status;
        size_t size;

        if (!frame_acceptable(in)) {
            return STATUS_CORRUPT;
        }
        size = ZSTD_findFrameCompressedSize(in.data, in.size);
        if (ZSTD_isError(size) || size > in.size) {
            return STATUS_CORRUPT;
        }
        status = frame_decompress(context->zstd_reader, bytes_of(in.data, size), output);
        if (status != STATUS_OK) {
            return status;
        }
        in = bytes_of(in.data + size, in.size - size);
    } while (in.size > 0);
    return STATUS_OK;
}

void zstd_compress(struct compression_context *context, int level, struct bytes in, struct buffer *out)
{
    const size_t bound = ZSTD_compressBound(in.size);
    size_t size;

    if (context->zstd_writer == NULL) {
        context->zstd_writer = ZSTD_createCCtx();
        ASSERT(context->zstd_writer != NULL);
    }
    size = ZSTD_compressCCtx(context->zstd_writer, buffer_reserve(out, bound), bound, in.data, in.size, level);
    ASSERT(!ZSTD_isError(size));
    out->size += size;
}

void zstd_context_free(struct compression_context *context)
{
    ZSTD_freeDCtx(context->zstd_reader);
    ZSTD_freeCCtx(context->zstd_writer);
    context->zstd_reader = NULL;
    context->zstd_writer = NULL;
}
