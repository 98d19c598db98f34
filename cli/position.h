/* Where to read from, in kcat's words (its -o), and durations back from now.
 *
 *     beginning   end   123 (an offset)   -123 (that many before the end)
 *     s@1700000000000 (from this time, ms)   e@... (up to this time)   s@-1h (from an hour ago; ms s m h d) */
#ifndef CLI_POSITION_H
#define CLI_POSITION_H

#include "common/base/attributes.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum position_kind {
    POSITION_BEGINNING,
    POSITION_END,
    POSITION_OFFSET, /* value: the offset */
    POSITION_TAIL,   /* value: how many before the end */
    POSITION_TIME,   /* value: ms since 1970 */
};

struct position {
    enum position_kind kind;
    int64_t value;
    bool stop; /* e@: where to stop, not where to start */
};

/* `now_ms`: wall clock, for durations. INVALID: not in this language. */
MUST_USE enum status position_parse(const char *text, int64_t now_ms, struct position *position);

#endif
