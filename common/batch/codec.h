/* Inside the compression: one pair of functions per codec, and what they share. */
#ifndef BATCH_CODEC_H
#define BATCH_CODEC_H

#include "common/batch/compression.h"

struct inflate_state;
struct z_stream_s;
struct LZ4F_dctx_s;
struct ZSTD_DCtx_s;
struct ZSTD_CCtx_s;

/* Each made when it is first needed. */
struct compression_context {
    struct inflate_state *inflate;
    struct LZ4F_dctx_s *lz4_reader;
    struct ZSTD_DCtx_s *zstd_reader;
    struct ZSTD_CCtx_s *zstd_writer;
};

/* Output that grows as it comes, up to one byte past its limit: that byte tells "just full" from "too large". */
struct output {
    struct buffer *buffer;
    size_t start; /* the buffer's size at the beginning */
    size_t limit;
};

/* Room behind the buffer's end, at least one byte and if possible `wanted`. Not to be called when output_exceeded. */
struct space output_space(struct output *output, size_t wanted);

static inline size_t output_size(const struct output *output)
{
    return output->buffer->size - output->start;
}

static inline bool output_exceeded(const struct output *output)
{
    return output_size(output) > output->limit;
}

/* All append to the output; OK, CORRUPT or TOO_LARGE. */
MUST_USE enum status gzip_decompress(struct compression_context *context, struct bytes in, struct output *output);
MUST_USE enum status snappy_decompress(struct bytes in, struct output *output);
MUST_USE enum status lz4_decompress(struct compression_context *context, struct bytes in, struct output *output);
MUST_USE enum status zstd_decompress(struct compression_context *context, struct bytes in, struct output *output);

void gzip_compress(int level, struct bytes in, struct buffer *out);
void snappy_frame_compress(struct bytes in, struct buffer *out);
void lz4_compress(int level, struct bytes in, struct buffer *out);
void zstd_compress(struct compression_context *context, int level, struct bytes in, struct buffer *out);

void gzip_context_free(struct compression_context *context);
void lz4_context_free(struct compression_context *context);
void zstd_context_free(struct compression_context *context);

#endif
