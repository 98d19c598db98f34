/* What a consumer makes of fetched bytes: whole batches are checked and opened, control batches, aborted transactions
 * and records before the wanted offset are left out. No network. */
#ifndef CLI_CONSUMER_H
#define CLI_CONSUMER_H

#include "common/batch/record.h"

/* Decompressed records of one batch. */
#define CONSUMER_RECORDS_MAX (512u << 20)

struct aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

struct consumer_limits {
    bool check_crcs;
    int64_t offset_stop;  /* records from here on are not wanted */
    const struct aborted_transaction *aborted; /* ascending by first_offset, as the leader said; NULL: read all */
    size_t aborted_count;
};

enum consumer_verdict { CONSUMER_MORE, CONSUMER_ENOUGH };

/* Called for each record; ENOUGH ends the reading behind it. Views live for the call. */
typedef enum consumer_verdict (*consumer_emit)(void *context, const struct batch_header *batch,
                                               const struct record *record);

struct consumer {
    struct compression_context *compression;
    struct buffer scratch;
    int64_t *aborting; /* producer ids whose transaction is being skipped */
    size_t aborting_count;
    size_t aborting_capacity;
};

void consumer_init(struct consumer *consumer);
void consumer_deinit(struct consumer *consumer);
/* Reads the fetched `records` from *offset on and moves it behind what was read. A batch cut at the end is left for the
 * next fetch. CORRUPT: the batch at *offset is damaged; TOO_LARGE: it is larger decompressed than we accept. */
MUST_USE enum status consumer_read(struct consumer *consumer, struct bytes records,
                                   const struct consumer_limits *limits,
                                   int64_t *offset, consumer_emit emit, void *context);

#endif
