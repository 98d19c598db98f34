/* Batches that must be taken apart before they may be appended: to store them under another codec, or to see that every
 * record has a key. That takes milliseconds, so a worker does it, on bytes that nobody changes meanwhile; the loop goes
 * on and appends later.
 *
 * Batches of one partition keep the order in which they came, or an idempotent producer's would be refused: a batch
 * that is ready waits for those before it, and one that needs no conversion waits too while others do. */
#ifndef SERVER_CONVERSION_H
#define SERVER_CONVERSION_H

#include "common/base/map.h"
#include "common/env/env.h"
#include "storage-node/server/convert.h"

struct conversion_queue;

/* Of the partitions of one loop. */
struct conversions {
    struct env *env;
    struct map queues; /* of struct conversion_queue; only those with batches */
};

/* One batch on its way. Embedded in its owner, which fills the first part and keeps it until `done`. */
struct conversion {
    struct uuid topic_id;
    int32_t partition;
    struct topic_config config; /* as it was when the batch came */
    int64_t now_ms;             /* likewise */
    struct batch_header header; /* of the batch, judged good */
    struct space batch;         /* borrowed until `done` */
    /* On the loop, in the order of conversion_start for each partition. `error` and `copy` are set; the copy is the
     * owner's now. Never from inside conversion_start. */
    void (*done)(struct conversion *conversion);
    void *owner;

    enum batch_error error;
    struct batch_copy copy;

    struct list link; /* the rest is private */
    struct conversion_queue *queue;
    struct env_job job;
    bool ready;
};

void conversions_init(struct conversions *conversions, struct env *env);
/* When nothing is on its way. */
void conversions_deinit(struct conversions *conversions);
/* Whether a batch for this partition must go this way: it is to be converted, or others before it still are. */
bool conversion_needed(const struct conversions *conversions, const struct topic_config *config,
                       const struct batch_header *header, struct uuid topic_id, int32_t partition);
void conversion_start(struct conversions *conversions, struct conversion *conversion);

#endif
