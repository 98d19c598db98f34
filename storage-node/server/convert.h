/* What a topic's configs demand of a batch that a client produced: limits to judge it by, and the batch as it is to be
 * stored where that differs from what came (append time, another compression). Most topics store the producer's
 * bytes. */
#ifndef SERVER_CONVERT_H
#define SERVER_CONVERT_H

#include "common/batch/record_batch.h"
#include "common/config/topic_config.h"

/* A stored form that needed memory of its own; data NULL: none. */
struct batch_copy {
    uint8_t *data;
    size_t size;
};

/* For batch_validate of a client's batch at wall clock `now_ms`. */
struct batch_limits topic_batch_limits(const struct topic_config *config, int64_t now_ms);
/* Whether the records of a batch with this header have to be looked at: the topic stores another codec, or wants
 * keys. */
bool batch_needs_conversion(const struct topic_config *config, const struct batch_header *header);
/* Sets the append time if the topic wants it. */
void batch_stamp(const struct topic_config *config, int64_t now_ms, struct space batch);
/* Applies append time in place and recompresses into `copy` if the topic asks for another codec than `batch`, already
 * judged good with `header`, has. The caller frees the copy. Takes long if batch_needs_conversion. */
MUST_USE enum batch_error batch_convert(const struct topic_config *config, int64_t now_ms,
                                        const struct batch_header *header, struct space batch, struct batch_copy *copy);
void batch_copy_free(struct batch_copy *copy);

#endif
