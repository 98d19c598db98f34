/* gzip: ISA-L inflates, several times as fast as zlib; zlib deflates, for its ratio and its nine levels. */
#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/codec.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#define GZIP_MAGIC_FIRST 0x1f
/* zlib's way to ask for the gzip wrapper: added to the window's 15 bits. */
#define GZIP_WRAPPER 16

static void inflate_begin(struct inflate_state *state)
{
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;
}

/* Inflates one member from `rest` and moves `rest` behind it. */
static enum status member_decompress(struct inflate_state *state, struct bytes *rest, struct output *output)
{
    inflate_begin(state);
    state->next_in = (uint8_t *)(uintptr_t)rest->data; /* ISA-L's field lacks const; it only reads */
    state->avail_in = (uint32_t)rest->size;
    while (state->block_state != ISAL_BLOCK_FINISH) {
        const struct space space = output_space(output, rest->size * 4);

        state->next_out = space.data;
        state->avail_out = (uint32_t)space.size;
        if (isal_inflate(state) != ISAL_DECOMP_OK) {
            return STATUS_CORRUPT;
        }
        output->buffer->size += space.size - state->avail_out;
        if (output_exceeded(output)) {
            return STATUS_TOO_LARGE;
        }
        /* Room left and no input: it wants more than there is. */
        if (state->block_state != ISAL_BLOCK_FINISH && state->avail_in == 0 && state->avail_out > 0) {
            return STATUS_CORRUPT;
        }
    }
    *rest = bytes_of(state->next_in, state->avail_in);
    return STATUS_OK;
}

enum status gzip_decompress(struct compression_context *context, struct bytes in, struct output *output)
{
    if (context->inflate == NULL) {
        context->inflate = memory_alloc(sizeof(*context->inflate));
    }
    do {
        enum status status;

        if (in.size == 0 || in.data[0] != GZIP_MAGIC_FIRST) {
            return STATUS_CORRUPT;
        }
        status = member_decompress(context->inflate, &in, output);
        if (status != STATUS_OK) {
            return status;
        }
    } while (in.size > 0);
    return STATUS_OK;
}

void gzip_compress(int level, struct bytes in, struct buffer *out)
{
    z_stream stream = {0};
    uLong bound;
    int result;

    result = deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + GZIP_WRAPPER, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY);
    ASSERT(result == Z_OK); /* else there is no memory, which ends the process here as in memory_alloc */
    bound = deflateBound(&stream, (uLong)in.size);
    ASSERT(bound <= UINT32_MAX);
    stream.next_in = (Bytef *)(uintptr_t)in.data;
    stream.avail_in = (uInt)in.size;
    stream.next_out = buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    result = deflate(&stream, Z_FINISH);
    ASSERT(result == Z_STREAM_END);
    out->size += (size_t)stream.total_out;
    deflateEnd(&stream);
}

void gzip_context_free(struct compression_context *context)
{
    memory_free(context->inflate);
    context->inflate = NULL;
}
