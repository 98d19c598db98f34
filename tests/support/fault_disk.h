/* A disk in front of another one that counts what is asked of it and fails chosen calls: for sweeps that let the N-th
 * call fail, for all N. Single-threaded. */
#ifndef SUPPORT_FAULT_DISK_H
#define SUPPORT_FAULT_DISK_H

#include "common/env/disk.h"

struct fault_disk {
    struct disk disk;
    struct disk *inner;    /* borrowed */
    uint64_t calls;        /* of every kind but closing */
    uint64_t reads;        /* file_read only */
    uint64_t writes;       /* file_write only */
    uint64_t syncs;        /* file_sync only */
    size_t open_files;
    uint64_t fail_at;      /* this call fails, 0: none; counted as `calls` */
    bool fail_on;          /* and all behind it do */
    enum status fail_with; /* STATUS_OK stands for STATUS_IO */
    bool stopped;          /* the process has ended: all calls fail and leave nothing */
    bool failed;           /* it happened */
};

void fault_disk_init(struct fault_disk *disk, struct disk *inner);

#endif
