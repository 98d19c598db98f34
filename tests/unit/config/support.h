/* A disk that holds one file, for what reads configuration. */
#ifndef UNIT_CONFIG_SUPPORT_H
#define UNIT_CONFIG_SUPPORT_H

#include "common/env/disk.h"

struct one_file_disk {
    struct disk disk;
    const char *path;
    const char *contents; /* zero-terminated */
};

void one_file_disk_init(struct one_file_disk *disk, const char *path, const char *contents);

#endif
