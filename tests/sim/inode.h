/* Files and directories apart from their names: what the cache holds, what is durable, and the changes between the two.
 *
 *     cached = durable + writes, in order                     (files)
 *     cached names = durable names + pending changes, in order (directories, see names.h) */
#ifndef SIM_INODE_H
#define SIM_INODE_H

#include "common/env/disk.h"
#include "tests/sim/content.h"
#include "tests/sim/world.h"

#define SIM_SECTOR_SIZE 512

struct sim_handle;

struct sim_inode {
    struct list all; /* in the disk's inodes */
    unsigned references; /* names, handles and pending changes that show it */
    enum disk_kind kind;
    struct sim_content cached;
    struct sim_content durable;
    struct list writes; /* of struct inode_write: in the cache only */
    size_t write_count;
    uint64_t reserved; /* bytes that file_allocate has set aside */
    struct list cached_names;  /* of struct sim_name */
    struct list durable_names; /* of struct sim_name */
    struct sim_handle *locker;
};

struct sim_inode *inode_create(struct list *inodes, enum disk_kind kind);
struct sim_inode *inode_ref(struct sim_inode *inode);
void inode_unref(struct sim_inode *inode);

void inode_write(struct sim_inode *inode, uint64_t offset, const uint8_t *data, size_t size);
void inode_truncate(struct sim_inode *inode, uint64_t size);
/* Makes the file durable. Returns how many bytes it wrote. */
uint64_t inode_sync(struct sim_inode *inode);
/* The sync failed: some sectors were written, the others are forgotten by the system, which thinks they are clean. */
void inode_fail_sync(struct sim_inode *inode, struct prng *prng);
/* Power is gone: every sector is as after some of the writes, and the cache is empty. */
void inode_power_cut(struct sim_inode *inode, struct prng *prng);
/* Bytes of the disk that it takes, at its largest if it were written up to `end`. */
uint64_t inode_footprint(const struct sim_inode *inode);

#endif
