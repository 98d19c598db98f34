/* A disk in memory for unit tests, which forgets what was not synced when it crashes.
 *
 * Each file has its bytes and those of its last sync; names live beside a list of changes since the directory was last
 * synced. A crash keeps, of each file, the synced bytes and a choice of the 512-byte sectors written since, and of the
 * changes of names a prefix. Single-threaded. */
#ifndef SUPPORT_MEMORY_DISK_H
#define SUPPORT_MEMORY_DISK_H

#include "common/base/buffer.h"
#include "common/base/prng.h"
#include "common/env/disk.h"

struct memory_inode;

struct memory_name {
    char *path;
    struct memory_inode *inode; /* NULL: a directory */
};

struct memory_names {
    struct memory_name *names;
    size_t count;
};

/* What a crash does with writes that were not synced. */
enum memory_crash {
    MEMORY_CRASH_LOSES, /* all of them are gone */
    MEMORY_CRASH_KEEPS, /* all of them happen to be durable */
    MEMORY_CRASH_KILLS, /* only the process died: all of them are there, and still not durable */
    MEMORY_CRASH_TEARS, /* of each file any sectors */
};

struct memory_disk {
    struct disk disk;
    struct memory_names now;
    struct memory_names durable;
    struct memory_names *steps; /* names after each change since the last sync of a directory */
    size_t step_count;
    struct prng prng;
    uint64_t generation;        /* open files of an older one fail */
    uint64_t operations;        /* changing operations so far */
    uint64_t fail_at;           /* from this operation on everything fails; 0: never */
    enum status fail_status;    /* with that; STATUS_OK: with STATUS_IO */
    bool cold;                  /* nothing is in the cache before it was read */
    uint64_t syncs;
    uint64_t power_cuts;
};

void memory_disk_init(struct memory_disk *disk, uint64_t seed);
void memory_disk_deinit(struct memory_disk *disk);
/* Power cut: open files become useless, faults are cleared. */
void memory_disk_crash(struct memory_disk *disk, enum memory_crash how);
/* The bytes of a file as they are now, to look at or to damage; NULL if there is none. */
struct buffer *memory_disk_contents(struct memory_disk *disk, const char *path);

#endif
