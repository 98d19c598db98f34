/* The four codecs that record batches are compressed with, behind two calls. The codec of a batch covers all its
 * records as one run of bytes:
 *
 *   gzip    RFC 1952; several members in a row are read as one
 *   snappy  read raw (one block) or in the framing of snappy-java ("xerial"); written in that framing
 *   lz4     the LZ4 frame format, with the header checksum that magic 0 and 1 got wrong
 *   zstd    RFC 8878 frames
 *
 * Memory. Decompressing takes at most the limit plus one byte for the output (its old and new place while it grows),
 * and beside it 90 KiB for gzip, 8.5 MiB for lz4, 100 KiB for zstd, nothing for snappy: what the input claims of
 * itself is never allocated before it was held against the limit and the codec's best possible ratio. zstd needs no
 * window beside the output, so a large window costs nothing; frames with windows above 2^27 are refused all the same,
 * for consumers could not read them (level 22 without known size is 2^27). Compressing takes 270 KiB for gzip, 400
 * KiB for lz4, and for zstd 1 MiB to 700 MiB depending on level and size of the input. */
#ifndef BATCH_COMPRESSION_H
#define BATCH_COMPRESSION_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

/* As in the batch's attributes. */
enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_GZIP = 1,
    COMPRESSION_SNAPPY = 2,
    COMPRESSION_LZ4 = 3,
    COMPRESSION_ZSTD = 4,
};
#define COMPRESSION_COUNT 5

/* Most bytes that one call reads or writes. */
#define COMPRESSION_SIZE_MAX INT32_MAX

/* Working memory of the codecs, kept from call to call. Belongs to one thread. Optional: where a context is asked for,
 * NULL makes and frees the memory within the call. */
struct compression_context;

struct compression_context *compression_context_create(void);
void compression_context_destroy(struct compression_context *context);

/* The codec that configurations call `name` (none, uncompressed, gzip, snappy, lz4, zstd); INVALID for other names. */
MUST_USE enum status compression_parse(struct string name, enum compression *codec);
/* Never NULL. */
const char *compression_name(enum compression codec);

/* The codec's default level and whether it knows `level`, as in Kafka's topic settings (KIP-390): gzip -1 and 1 to 9,
 * lz4 1 to 17, zstd -131072 to 22. Codecs without levels have only 0. */
int compression_level_default(enum compression codec);
bool compression_level_valid(enum compression codec, int level);

/* Appends to `out` what `in` decompresses to, at most `limit` bytes (which may not exceed COMPRESSION_SIZE_MAX).
 * CORRUPT if `in` is damaged, cut or followed by something else; TOO_LARGE as soon as more than `limit` bytes come
 * out. Unless OK, `out` keeps its size. */
MUST_USE enum status compression_decode(struct compression_context *context, enum compression codec, struct bytes in,
                                        size_t limit, struct buffer *out);

/* Appends to `out` the compressed form of `in`, which may not be larger than COMPRESSION_SIZE_MAX. `level` is valid for
 * the codec. */
void compression_encode(struct compression_context *context, enum compression codec, int level, struct bytes in,
                        struct buffer *out);

#endif
