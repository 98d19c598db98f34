/* What replaying does to an image that its holder may change. */
#ifndef METADATA_REPLAY_H
#define METADATA_REPLAY_H

#include "common/batch/record.h"
#include "common/metadata/parts.h"
#include "common/metadata/records.h"

/* Memory for one decoded record: a registration with all its lists is far below. */
#define RECORD_ARENA_LIMIT ((size_t)64 * 1024 * 1024)

/* The image for changing it: itself if nobody else holds it; otherwise gives up the reference and returns a copy. */
struct image *image_own(struct image *image);
/* Replays one record found at `offset` of the log. INVALID if it contradicts the image or says what this release cannot
 * keep; the image may then have changed. */
MUST_USE enum status image_replay(struct image *image, const struct metadata_record *record, int64_t offset);
/* Replays the records of one data batch that batch_validate accepted; if `image` is NULL it only decodes them. CORRUPT
 * if one cannot be decoded, INVALID as above and for records of later releases. `arena` is reset for each record. */
MUST_USE enum status image_replay_records(struct image *image, const struct batch_header *header, struct bytes batch,
                                          struct arena *arena);

#endif
