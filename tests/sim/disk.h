/* One machine's disk: a tree of names and inodes behind the calls of common/env/disk.h, its faults and what it
 * costs. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "common/env/disk.h"
#include "tests/sim/world.h"

struct sim_disk;

struct sim_disk *disk_create(struct sim_process *process);
void disk_free(struct sim_disk *disk);
struct disk *disk_of(struct sim_disk *disk);
/* The process has crashed: its open files are gone, the cache stays. */
void disk_abandon(struct sim_disk *disk);
void disk_power_cut(struct sim_disk *disk);
size_t disk_open_files(const struct sim_disk *disk);
uint64_t disk_used_bytes(const struct sim_disk *disk);
/* Flips a bit of a file whose name and bytes are durable; does nothing if there is none. */
void disk_rot(struct sim_disk *disk);

#endif
