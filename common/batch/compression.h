/* The four codecs that record batches are compressed with, behind two calls. The codec of a batch covers all its records
 * as one run of bytes. */
#ifndef BATCH_COMPRESSION_H
#define BATCH_COMPRESSION_H

/* As in the batch's attributes. */
enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_GZIP = 1,
    COMPRESSION_SNAPPY = 2,
    COMPRESSION_LZ4 = 3,
    COMPRESSION_ZSTD = 4,
};
#define COMPRESSION_COUNT 5

#endif
