/* snappy, in both forms that producers send. The block codec is libsnappy's; the framing of snappy-java is ours:
 *
 *   0x82 'S' 'N' 'A' 'P' 'P' 'Y' 0x00   magic
 *   version i32, oldest compatible version i32   both 1
 *   then blocks: size i32, one raw snappy block of that size
 *
 * Streams of that kind may follow each other: a magic may stand wherever a block's size is expected. It can be told
 * from one because as a size it is negative. */
#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/batch/codec.h"

#include <snappy-c.h>

#define FRAME_HEADER_SIZE 16
#define FRAME_VERSION 1
/* Uncompressed bytes of a block, as snappy-java writes it. */
#define FRAME_BLOCK_SIZE (32 * 1024)
/* No block element gives more than 64 bytes for three: a block that claims more is lying, and is not allocated for. */
#define RATIO_MAX 22

static const uint8_t frame_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

static bool frame_starts(struct bytes in)
{
    return in.size >= sizeof(frame_magic) && memcmp(in.data, frame_magic, sizeof(frame_magic)) == 0;
}

static enum status block_decompress(struct bytes in, struct output *output)
{
    struct space space;
    size_t size;

    if (snappy_uncompressed_length((const char *)in.data, in.size, &size) != SNAPPY_OK || size > in.size * RATIO_MAX) {
        return STATUS_CORRUPT;
    }
    if (size > output->limit - output_size(output)) {
        return STATUS_TOO_LARGE;
    }
    space = output_space(output, size);
    ASSERT(space.size >= size);
    if (snappy_uncompress((const char *)in.data, in.size, (char *)space.data, &size) != SNAPPY_OK) {
        return STATUS_CORRUPT;
    }
    output->buffer->size += size;
    return STATUS_OK;
}

enum status snappy_decompress(struct bytes in, struct output *output)
{
    if (in.size == 0) {
        return STATUS_CORRUPT;
    }
    if (!frame_starts(in)) {
        return block_decompress(in, output);
    }
    while (in.size > 0) {
        enum status status;
        size_t size;

        if (frame_starts(in)) {
            if (in.size < FRAME_HEADER_SIZE || load_i32(in.data + sizeof(frame_magic) + 4) > FRAME_VERSION) {
                return STATUS_CORRUPT;
            }
            in = bytes_of(in.data + FRAME_HEADER_SIZE, in.size - FRAME_HEADER_SIZE);
            continue;
        }
        if (in.size < sizeof(uint32_t)) {
            return STATUS_CORRUPT;
        }
        size = load_u32(in.data);
        in = bytes_of(in.data + sizeof(uint32_t), in.size - sizeof(uint32_t));
        if (size > in.size) {
            return STATUS_CORRUPT;
        }
        status = block_decompress(bytes_of(in.data, size), output);
        if (status != STATUS_OK) {
            return status;
        }
        in = bytes_of(in.data + size, in.size - size);
    }
    return STATUS_OK;
}

void snappy_frame_compress(struct bytes in, struct buffer *out)
{
    uint8_t *header = buffer_reserve(out, FRAME_HEADER_SIZE);

    memcpy(header, frame_magic, sizeof(frame_magic));
    store_i32(header + sizeof(frame_magic), FRAME_VERSION);
    store_i32(header + sizeof(frame_magic) + 4, FRAME_VERSION);
    out->size += FRAME_HEADER_SIZE;
    while (in.size > 0) {
        const size_t part = in.size < FRAME_BLOCK_SIZE ? in.size : FRAME_BLOCK_SIZE;
        size_t size = snappy_max_compressed_length(part);
        uint8_t *block = buffer_reserve(out, sizeof(uint32_t) + size);
        const snappy_status result =
            snappy_compress((const char *)in.data, part, (char *)block + sizeof(uint32_t), &size);

        ASSERT(result == SNAPPY_OK);
        store_u32(block, (uint32_t)size);
        out->size += sizeof(uint32_t) + size;
        in = bytes_of(in.data + part, in.size - part);
    }
}
