/* What the tests of record batches share: batches from the Java client, exact copies for the address sanitizer. */
#ifndef TESTS_BATCH_SUPPORT_H
#define TESTS_BATCH_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/prng.h"
#include "common/batch/batch_builder.h"

enum golden_name {
    GOLDEN_PLAIN,
    GOLDEN_GZIP,
    GOLDEN_SNAPPY,
    GOLDEN_LZ4,
    GOLDEN_ZSTD,
    GOLDEN_LZ4_HIGH,
    GOLDEN_ZSTD_WINDOW,
    GOLDEN_SNAPPY_BLOCKS,
    GOLDEN_LZ4_BLOCKS,
    GOLDEN_TRANSACTIONAL,
    GOLDEN_APPEND_TIME,
    GOLDEN_COMMIT,
    GOLDEN_ABORT,
    GOLDEN_COUNT,
};

struct golden {
    const char *name;
    const char *hex;
};

extern const struct golden goldens[GOLDEN_COUNT];

/* The batch in memory of exactly its size, so that one byte too far is found; memory_free its data. */
struct space golden_load(enum golden_name name);
/* A copy of exactly `size` bytes; memory_free its data. */
struct bytes exact_copy(const void *data, size_t size);

static inline struct bytes bytes_of_space(struct space space)
{
    return bytes_of(space.data, space.size);
}

void assert_bytes_equal(struct bytes actual, struct bytes expected);

/* The drafts of the records that GOLDEN_PLAIN holds. */
#define PLAIN_RECORD_COUNT 5
extern const struct record_draft plain_records[PLAIN_RECORD_COUNT];

int test_record_batch(void);
int test_record(void);
int test_batch_builder(void);
int test_compression(void);
int test_murmur2(void);

#endif
