/* Which items of a request are named more than once. Sorting, not hashing: the names are a client's to choose. */
#ifndef STATE_REPEATS_H
#define STATE_REPEATS_H

#include "common/base/arena.h"
#include "common/base/bytes.h"

enum repeat { REPEAT_NONE, REPEAT_FIRST, REPEAT_LATER };

/* For each of `count` keys whether it is the only one of its kind, or the first, or a later one. In `arena`. */
const enum repeat *repeats_find(const struct bytes *keys, int32_t count, struct arena *arena);

#endif
