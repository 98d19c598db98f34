/* What every decision of the controller looks at and yields. A decision reads the image and a request, and adds the
 * records that would carry the request out, together with the response that is true once they are committed. It changes
 * nothing that replay builds: that is image_apply_batch, when the log has taken the records.
 *
 * Whoever decides must look at an image that has all records decided before, committed or not: two decisions on one
 * image contradict each other, and the second one's replay would be refused. */
#ifndef STATE_DECISION_H
#define STATE_DECISION_H

#include "common/config/config.h"
#include "common/metadata/image.h"
#include "common/metadata/records.h"
#include "common/wire/error.h"

struct decision {
    const struct image *image;   /* borrowed, as the next three */
    const struct config *config; /* of the controller: defaults for topics */
    struct arena *arena;         /* of the request: records and response live in it */
    struct record_list *records; /* appended to */
    uint64_t seed;               /* random; the same seed decides the same */
};
/* What the arenas of a request and of its decision may take. Requests are decoded in the first limit, so the rows of
 * their responses are within the reserve; whatever an item of a request costs beyond a row is asked for with
 * decision_has_room. */
#define DECISION_REQUEST_ARENA_LIMIT ((size_t)16 * 1024 * 1024)
#define DECISION_ARENA_LIMIT ((size_t)256 * 1024 * 1024)
#define DECISION_ARENA_RESERVE ((size_t)128 * 1024 * 1024)

static inline bool decision_has_room(const struct decision *decision, size_t size)
{
    const size_t left = decision->arena->limit - decision->arena->total;

    return left > DECISION_ARENA_RESERVE && left - DECISION_ARENA_RESERVE > size;
}

#endif
