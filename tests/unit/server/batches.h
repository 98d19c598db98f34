/* Record batches for tests of a storage node. */
#ifndef TESTS_UNIT_SERVER_BATCHES_H
#define TESTS_UNIT_SERVER_BATCHES_H

#include "common/batch/batch_builder.h"

struct batch_recipe {
    int32_t records;
    size_t value_size;
    int64_t timestamp;
    enum compression compression;
    int64_t producer_id; /* 0: none */
    int32_t sequence;
    bool no_key;
};

/* Allocated for the caller (memory_free). */
struct space batch_make(const struct batch_recipe *recipe);

#endif
