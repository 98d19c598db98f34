/* Builds and takes apart the names of a partition's files. */
#include "storage-node/log/segment_name.h"

#include "common/base/assert.h"
#include "storage-node/log/partition_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OFFSET_DIGITS 20

static const char *const part_suffix[SEGMENT_PART_COUNT] = {
    [SEGMENT_LOG] = ".log",
    [SEGMENT_OFFSET_INDEX] = ".index",
    [SEGMENT_TIME_INDEX] = ".timeindex",
    [SEGMENT_TXN_INDEX] = ".txnindex",
    [SEGMENT_SNAPSHOT] = ".snapshot",
};

void segment_path(const struct log_files *files, int64_t offset, enum segment_part part, const char *ending,
                  char path[DISK_PATH_MAX])
{
    const int size =
        snprintf(path, DISK_PATH_MAX, "%s/%020" PRId64 "%s%s", files->directory, offset, part_suffix[part], ending);

    ASSERT(offset >= 0);
    ASSERT(size < DISK_PATH_MAX);
}

void log_file_path(const struct log_files *files, const char *name, char path[DISK_PATH_MAX])
{
    const int size = snprintf(path, DISK_PATH_MAX, "%s/%s", files->directory, name);

    ASSERT(size < DISK_PATH_MAX);
}

bool segment_name_parse(const char *name, int64_t *offset, enum segment_part *part)
{
    int64_t value = 0;

    for (size_t i = 0; i < OFFSET_DIGITS; i++) {
        const int digit = name[i] - '0';

        if (digit < 0 || digit > 9 || value > (LOG_OFFSET_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    for (size_t i = 0; i < SEGMENT_PART_COUNT; i++) {
        if (strcmp(name + OFFSET_DIGITS, part_suffix[i]) == 0) {
            *offset = value;
            *part = (enum segment_part)i;
            return true;
        }
    }
    return false;
}
