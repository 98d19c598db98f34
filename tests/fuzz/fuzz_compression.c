/* The four codecs. Byte 0 chooses the codec and bit 7 what is done: decode the rest as it is, or encode it, decode
 * that, and decode it once more with one byte changed. Byte 1 gives the limit of what may come out, 2^(0..20) bytes, or
 * the level. */
#include "common/batch/compression.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT_BITS 21

/* Two decodings, with and without a context that was used before, agree. */
static void decode(struct compression_context *context, enum compression codec, struct bytes in, size_t limit)
{
    struct buffer out;
    struct buffer again;
    enum status status;

    buffer_init(&out);
    buffer_init(&again);
    buffer_append(&out, "kept", 4);
    status = compression_decode(NULL, codec, in, limit, &out);
    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_TOO_LARGE);
    ASSERT(status == STATUS_OK ? out.size <= limit + 4 : out.size == 4);
    ASSERT(memcmp(out.data, "kept", 4) == 0);
    ASSERT(compression_decode(context, codec, in, limit, &again) == status);
    if (status == STATUS_OK) {
        ASSERT(again.size == out.size - 4);
        ASSERT(again.size == 0 || memcmp(again.data, out.data + 4, again.size) == 0);
    }
    buffer_deinit(&out);
    buffer_deinit(&again);
}

static int level_of(enum compression codec, uint8_t choice)
{
    const int level = choice % 10;

    return compression_level_valid(codec, level) ? level : compression_level_default(codec);
}

static void round_trip(struct compression_context *context, enum compression codec, int level, struct bytes in)
{
    struct buffer packed;
    struct buffer out;
    size_t at;

    buffer_init(&packed);
    buffer_init(&out);
    compression_encode(context, codec, level, in, &packed);
    ASSERT(compression_decode(context, codec, buffer_bytes(&packed), in.size, &out) == STATUS_OK);
    ASSERT(out.size == in.size && (in.size == 0 || memcmp(out.data, in.data, in.size) == 0));
    if (in.size > 0) {
        buffer_clear(&out);
        ASSERT(compression_decode(context, codec, buffer_bytes(&packed), in.size - 1, &out) == STATUS_TOO_LARGE);
        ASSERT(out.size == 0);
    }
    if (packed.size > 0) {
        at = in.size > 2 ? load_u16(in.data) % packed.size : packed.size - 1;
        packed.data[at] = (uint8_t)(packed.data[at] ^ (in.size > 0 ? in.data[in.size - 1] | 1 : 1));
        decode(context, codec, buffer_bytes(&packed), in.size + 100);
    }
    buffer_deinit(&packed);
    buffer_deinit(&out);
}

static void check_name(enum compression codec)
{
    enum compression named;

    ASSERT(compression_parse(string_of(compression_name(codec)), &named) == STATUS_OK && named == codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t choice = fuzz_byte(&input);
    const enum compression codec = (enum compression)((choice & 0x7f) % COMPRESSION_COUNT);
    const uint8_t number = fuzz_byte(&input);
    struct compression_context *context = compression_context_create();

    check_name(codec);
    if ((choice & 0x80) != 0) {
        round_trip(context, codec, level_of(codec, number), input);
    } else {
        decode(context, codec, input, (size_t)1 << (number % LIMIT_BITS));
    }
    compression_context_destroy(context);
    return 0;
}
