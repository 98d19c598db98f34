/* Files and directories. Every call blocks and may be made on a loop (short ones: page-cache writes, cached reads,
 * opening) or in a job on a worker. Calls on different files may run at the same time on different threads; calls on
 * one file may too, as long as they do not write the same range.
 *
 * Durability: what file_write wrote survives a power cut only after file_sync; a created, renamed or removed name only
 * after disk_sync_directory on its directory. A failed file_sync is final (the system may have dropped the pages): the
 * caller takes the directory offline, nobody retries.
 *
 * A process that dies takes nothing with it of what it wrote: only a power cut does. disk_life tells the two apart.
 *
 * Paths are zero-terminated; directories end without a slash. */
#ifndef ENV_DISK_H
#define ENV_DISK_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/status.h"

#include <stdbool.h>

#define DISK_PATH_MAX 4096
/* Text of disk_life with its zero byte. */
#define DISK_LIFE_MAX 96

struct disk;
struct file;

enum file_flags {
    FILE_READ = 0,
    FILE_WRITE = 1,     /* read and write */
    FILE_CREATE = 2,    /* create if missing */
    FILE_EXCLUSIVE = 4, /* with FILE_CREATE: STATUS_EXISTS if it is there */
    FILE_TRUNCATE = 8,
};

enum disk_kind { DISK_FILE, DISK_DIRECTORY, DISK_OTHER };

struct disk_space {
    uint64_t total;  /* bytes */
    uint64_t usable; /* bytes that this process may still write */
};

struct disk_ops {
    enum status (*open)(struct disk *disk, const char *path, unsigned flags, struct file **file);
    enum status (*rename)(struct disk *disk, const char *from, const char *to);
    enum status (*remove)(struct disk *disk, const char *path);
    enum status (*make_directory)(struct disk *disk, const char *path);
    enum status (*remove_directory)(struct disk *disk, const char *path);
    enum status (*sync_directory)(struct disk *disk, const char *path);
    enum status (*list)(struct disk *disk, const char *path,
                        void (*entry)(void *context, const char *name, enum disk_kind kind), void *context);
    enum status (*file_size)(struct disk *disk, const char *path, uint64_t *size);
    enum status (*space)(struct disk *disk, const char *path, struct disk_space *space);
    enum status (*lock)(struct disk *disk, const char *path, struct file **file);
    enum status (*sync_below)(struct disk *disk, const char *path);
    enum status (*life)(struct disk *disk, const char *path, char text[DISK_LIFE_MAX]);
};

struct file_ops {
    enum status (*write)(struct file *file, uint64_t offset, const struct bytes *parts, size_t count);
    enum status (*read)(struct file *file, uint64_t offset, void *into, size_t size, size_t *got);
    enum status (*sync)(struct file *file);
    enum status (*truncate)(struct file *file, uint64_t size);
    enum status (*allocate)(struct file *file, uint64_t offset, uint64_t size);
    enum status (*size)(struct file *file, uint64_t *size);
    bool (*cached)(struct file *file, uint64_t offset, uint64_t size); /* NULL: always */
    void (*destroy)(struct file *file);
};

struct disk {
    const struct disk_ops *ops;
};

/* Ref-counted: streams that send from a file and jobs that sync it hold it open. Thread-safe counting. */
struct file {
    const struct file_ops *ops;
    int references;
};

/* Opens with one reference. Parent directories must exist. */
MUST_USE static inline enum status disk_open(struct disk *disk, const char *path, unsigned flags, struct file **file)
{
    return disk->ops->open(disk, path, flags, file);
}

/* Replaces `to` atomically. */
MUST_USE static inline enum status disk_rename(struct disk *disk, const char *from, const char *to)
{
    return disk->ops->rename(disk, from, to);
}

/* STATUS_NOT_FOUND if it is not there. */
MUST_USE static inline enum status disk_remove(struct disk *disk, const char *path)
{
    return disk->ops->remove(disk, path);
}

/* STATUS_EXISTS if it is there. One level only. */
MUST_USE static inline enum status disk_make_directory(struct disk *disk, const char *path)
{
    return disk->ops->make_directory(disk, path);
}

/* The directory must be empty. */
MUST_USE static inline enum status disk_remove_directory(struct disk *disk, const char *path)
{
    return disk->ops->remove_directory(disk, path);
}

MUST_USE static inline enum status disk_sync_directory(struct disk *disk, const char *path)
{
    return disk->ops->sync_directory(disk, path);
}

/* Calls `entry` for each name but "." and "..", in no order; `name` is borrowed for the call. */
MUST_USE static inline enum status disk_list(struct disk *disk, const char *path,
                                             void (*entry)(void *context, const char *name, enum disk_kind kind),
                                             void *context)
{
    return disk->ops->list(disk, path, entry, context);
}

MUST_USE static inline enum status disk_file_size(struct disk *disk, const char *path, uint64_t *size)
{
    return disk->ops->file_size(disk, path, size);
}

/* Of the file system that holds `path`. */
MUST_USE static inline enum status disk_space(struct disk *disk, const char *path, struct disk_space *space)
{
    return disk->ops->space(disk, path, space);
}

/* Creates `path` and locks it for this process until the file is unreferenced. STATUS_LOCKED if another holds it. */
MUST_USE static inline enum status disk_lock(struct disk *disk, const char *path, struct file **file)
{
    return disk->ops->lock(disk, path, file);
}

/* Makes everything durable that was written below the directory `path`, and all names in it: one call for thousands of
 * files. It may sync more of the same file system, and take its time. A failure is as final as that of file_sync. */
MUST_USE static inline enum status disk_sync_below(struct disk *disk, const char *path)
{
    return disk->ops->sync_below(disk, path);
}

/* Names the time between two losses of what was written but not synced: while the text is the same, every byte and
 * every name that any process wrote below `path` is still there. Printable, without blanks. */
MUST_USE static inline enum status disk_life(struct disk *disk, const char *path, char text[DISK_LIFE_MAX])
{
    return disk->ops->life(disk, path, text);
}

struct file *file_ref(struct file *file);
/* The last one closes it. NULL is allowed. */
void file_unref(struct file *file);
/* True if there are references beside the caller's. If not, nobody else can make one. */
bool file_is_shared(const struct file *file);

/* Writes all parts one after the other at `offset`, or fails: then any prefix may be there. */
MUST_USE static inline enum status file_write(struct file *file, uint64_t offset, const struct bytes *parts,
                                              size_t count)
{
    return file->ops->write(file, offset, parts, count);
}

/* Whether reading this range, or sending it, would find it in memory: a good guess, made without waiting for the disk.
 * A loop leaves what is not there to a worker (ENV_LANE_READ). */
static inline bool file_is_cached(struct file *file, uint64_t offset, uint64_t size)
{
    return file->ops->cached == NULL || size == 0 || file->ops->cached(file, offset, size);
}

/* Reads up to `size` bytes; `*got` is less only at the end of the file (0: nothing there). */
MUST_USE static inline enum status file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got)
{
    return file->ops->read(file, offset, into, size, got);
}

/* Makes everything written so far durable, the file's size included (fdatasync). */
MUST_USE static inline enum status file_sync(struct file *file)
{
    return file->ops->sync(file);
}

/* Cuts or extends with zeros. */
MUST_USE static inline enum status file_truncate(struct file *file, uint64_t size)
{
    return file->ops->truncate(file, size);
}

/* Reserves disk blocks without changing the size; STATUS_UNSUPPORTED where the file system cannot. */
MUST_USE static inline enum status file_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    return file->ops->allocate(file, offset, size);
}

MUST_USE static inline enum status file_size(struct file *file, uint64_t *size)
{
    return file->ops->size(file, size);
}

/* Small helpers on top, used by every checkpoint. */

/* Reads a whole file of at most `size_max` bytes; *data is allocated (memory_free) and has a zero byte behind it. */
MUST_USE enum status disk_read_file(struct disk *disk, const char *path, size_t size_max, uint8_t **data, size_t *size);
/* Writes `path` so that a crash leaves the old or the new contents: temporary file (`path` + ".tmp"), sync, rename,
 * sync of the directory. */
MUST_USE enum status disk_replace_file(struct disk *disk, const char *path, struct bytes contents);
/* Syncs the directory that holds `path`: its name is durable then. */
MUST_USE enum status disk_sync_parent(struct disk *disk, const char *path);
/* Makes `path` and its missing parents; each new name is synced. */
MUST_USE enum status disk_make_directories(struct disk *disk, const char *path);

#endif
