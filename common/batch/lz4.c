/* LZ4 frames. Written as Kafka's clients do: independent blocks of 64 KiB without checksums or content size, which is
 * all that the Java client can read; read in any form of the format. */
#include "common/base/assert.h"
#include "common/batch/codec.h"

#include <lz4frame.h>

#define LEVEL_HIGHEST 12

enum status lz4_decompress(struct compression_context *context, struct bytes in, struct output *output)
{
    size_t hint = 1;

    if (context->lz4_reader == NULL) {
        const LZ4F_errorCode_t result = LZ4F_createDecompressionContext(&context->lz4_reader, LZ4F_VERSION);

        ASSERT(!LZ4F_isError(result)); /* no memory, or a library that does not fit its header */
    }
    LZ4F_resetDecompressionContext(context->lz4_reader);
    if (in.size == 0) {
        return STATUS_CORRUPT;
    }
    /* The hint is 0 at a frame's end; another frame may follow. The decoder may hold output back after it took all
     * input: it is done when it also leaves room. */
    for (;;) {
        const struct space space = output_space(output, in.size * 4);
        size_t produced = space.size;
        size_t consumed = in.size;

        hint = LZ4F_decompress(context->lz4_reader, space.data, &produced, in.data, &consumed, NULL);
        if (LZ4F_isError(hint)) {
            return STATUS_CORRUPT;
        }
        output->buffer->size += produced;
        in = bytes_of(in.data + consumed, in.size - consumed);
        if (output_exceeded(output)) {
            return STATUS_TOO_LARGE;
        }
        if (in.size == 0 && (hint == 0 || produced < space.size)) {
            return hint == 0 ? STATUS_OK : STATUS_CORRUPT;
        }
        if (consumed == 0 && produced == 0) {
            return STATUS_CORRUPT;
        }
    }
}

void lz4_compress(int level, struct bytes in, struct buffer *out)
{
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level,
    };
    size_t bound;
    size_t size;

    /* Kafka's default, nine, stands for the fast compressor; its levels above twelve are the library's highest. */
    if (level == compression_level_default(COMPRESSION_LZ4)) {
        preferences.compressionLevel = 0;
    } else if (level > LEVEL_HIGHEST) {
        preferences.compressionLevel = LEVEL_HIGHEST;
    }
    bound = LZ4F_compressFrameBound(in.size, &preferences);
    size = LZ4F_compressFrame(buffer_reserve(out, bound), bound, in.data, in.size, &preferences);
    ASSERT(!LZ4F_isError(size));
    out->size += size;
}

void lz4_context_free(struct compression_context *context)
{
    LZ4F_freeDecompressionContext(context->lz4_reader);
    context->lz4_reader = NULL;
}
