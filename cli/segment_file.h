/* Reading segment files of a log without a server: walks the batches of a .log file and holds them, and the indexes
 * beside it, against what Kafka's format promises. Memory is one batch at a time. */
#ifndef CLI_SEGMENT_FILE_H
#define CLI_SEGMENT_FILE_H

#include "common/batch/record.h"
#include "common/batch/record_batch.h"

/* A batch larger than that is damage, not data. */
#define SEGMENT_BATCH_MAX (1u << 30)

struct segment_batch {
    uint64_t position;
    struct batch_header header;
    struct bytes bytes; /* borrowed for the call */
    bool crc_matches;
};

struct segment_visitor {
    /* Each batch with a readable header. */
    void (*batch)(void *context, const struct segment_batch *batch);
    /* Something is wrong at `position` of the file. */
    void (*problem)(void *context, uint64_t position, const char *text);
    void *context;
};

/* Walks `path`. base_offset: what the file's name says, -1 if it says nothing. Tells problems: damaged or cut batches
 * (the walk ends there), wrong checksums, offsets that do not ascend, records that cannot be read. STATUS_IO and the
 * like: the file cannot be read. */
MUST_USE enum status segment_walk(const char *path, int64_t base_offset, const struct segment_visitor *visitor);
/* Checks the offset index or time index at `path` against its segment at `log_path`; NOT_FOUND if one is not there. */
MUST_USE enum status segment_check_index(const char *path, const char *log_path, int64_t base_offset,
                                         const struct segment_visitor *visitor);
MUST_USE enum status segment_check_time_index(const char *path, int64_t base_offset,
                                              const struct segment_visitor *visitor);
/* The offset in "00000000000000000042.log"; -1 if the name is not of that kind. */
int64_t segment_base_offset(const char *path);

#endif
