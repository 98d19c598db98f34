/* Frames as tests of common/rpc send and read them. */
#ifndef TESTS_UNIT_RPC_FRAMES_H
#define TESTS_UNIT_RPC_FRAMES_H

#include "common/base/buffer.h"
#include "common/wire/api.h"

/* Appends one request frame to `out`. */
void frame_request(struct buffer *out, int16_t key, int16_t version, int32_t correlation_id, const void *body);
/* InitProducerId 0 that asks for `number` as its timeout. */
void frame_number(struct buffer *out, int32_t correlation_id, int32_t number);
/* Produce 3 with `size` bytes of records in one partition, byte i being i * 7 + correlation_id. */
void frame_produce(struct buffer *out, int32_t correlation_id, size_t size);
bool frame_produce_intact(const void *body, int32_t correlation_id, size_t size);
/* Appends one answer frame. */
void frame_answer(struct buffer *out, int16_t key, int16_t version, int32_t correlation_id, const void *body);

/* Takes the next whole frame off `in` from `*at` on; false if there is none. `frame` borrows. */
bool frame_next(const struct buffer *in, size_t *at, struct bytes *frame);
int32_t frame_correlation_id(struct bytes frame);
/* Decodes the body of an answer into `body`, initialised here; memory from `arena`. False if it is not exactly one. */
bool frame_decode(struct bytes frame, int16_t key, int16_t version, struct arena *arena, void *body);

#endif
