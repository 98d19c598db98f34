/* Asking leaders for offsets by time (ListOffsets), straight-line. */
#ifndef CLI_OFFSETS_H
#define CLI_OFFSETS_H

#include "cli/routes.h"

#define OFFSETS_END (-1)
#define OFFSETS_BEGINNING (-2)

/* For each of `partitions`: the offset of the first record with a timestamp >= timestamp_ms, or what the two special
 * times above ask for; -1: there is none. Follows leaders for as long as the command's timeout. False after an error
 * line. */
bool offsets_list(struct session *session, struct routes *routes, const int32_t *partitions, size_t count,
                  int64_t timestamp_ms, bool read_committed, int64_t *offsets);

#endif
