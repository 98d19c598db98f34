/* The laws of every message of the codec, for all fuzzers that have bytes of one. */
#ifndef FUZZ_MESSAGE_H
#define FUZZ_MESSAGE_H

#include "common/wire/api.h"

/* Decodes `body` as `type` at `version`. What decodes must have a one-line dump, encode again at that version to no
 * more bytes than it came from (`flexible`: varints and unknown tagged fields may shrink; else to exactly as many), and
 * those bytes must decode and encode to themselves. True if `body` decoded. */
bool fuzz_message(const struct message_type *type, int16_t version, bool flexible, struct bytes body);

#endif
