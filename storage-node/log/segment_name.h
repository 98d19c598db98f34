/* Names of a partition's files: twenty digits of an offset and a suffix, as Kafka has them. */
#ifndef LOG_SEGMENT_NAME_H
#define LOG_SEGMENT_NAME_H

#include "common/base/attributes.h"
#include "common/env/disk.h"

#include <stdbool.h>
#include <stdint.h>

enum segment_part {
    SEGMENT_LOG,
    SEGMENT_OFFSET_INDEX,
    SEGMENT_TIME_INDEX,
    SEGMENT_TXN_INDEX,
    SEGMENT_SNAPSHOT, /* producer state in front of the offset in its name */
};
#define SEGMENT_PART_COUNT 5

/* Longest name that is put behind a partition's directory, with slash and zero byte. */
#define SEGMENT_NAME_ROOM 64

/* Behind the name of a file that is to be removed. */
#define SEGMENT_DELETED ".deleted"

/* Where a partition's files are and who opens them; embedded in the log, borrowed by its parts. */
struct log_files {
    struct disk *disk;
    struct file_cache *cache; /* of the loop; during open a private one */
    char *directory;          /* at most DISK_PATH_MAX - SEGMENT_NAME_ROOM characters */
};

/* The path of `part` for `offset`; `ending` ("" or ".deleted") comes last. */
void segment_path(const struct log_files *files, int64_t offset, enum segment_part part, const char *ending,
                  char path[DISK_PATH_MAX]);
/* The path of another file of the partition. */
void log_file_path(const struct log_files *files, const char *name, char path[DISK_PATH_MAX]);
/* False if `name` is not exactly one of ours. */
bool segment_name_parse(const char *name, int64_t *offset, enum segment_part *part);

#endif
