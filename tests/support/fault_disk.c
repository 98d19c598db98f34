/* Every operation asks first whether it may happen, then hands on. */
#include "tests/support/fault_disk.h"

#include "common/base/memory.h"

#include <stddef.h>

struct fault_file {
    struct file file;
    struct fault_disk *disk;
    struct file *inner;
};

static struct fault_disk *fault_of(struct disk *disk)
{
    return CONTAINER_OF(disk, struct fault_disk, disk);
}

static enum status fault_check(struct fault_disk *disk)
{
    disk->calls++;
    if (disk->stopped) {
        disk->failed = true;
        return STATUS_IO;
    }
    if (disk->fail_at != 0 && (disk->calls == disk->fail_at || (disk->fail_on && disk->calls > disk->fail_at))) {
        disk->failed = true;
        return disk->fail_with != STATUS_OK ? disk->fail_with : STATUS_IO;
    }
    return STATUS_OK;
}

static struct fault_file *fault_file_of(struct file *file)
{
    return CONTAINER_OF(file, struct fault_file, file);
}

static enum status fault_write(struct file *file, uint64_t offset, const struct bytes *parts, size_t count)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    own->disk->writes++;
    if (status != STATUS_OK && !own->disk->stopped) {
        /* A failing write may leave any part: here the first half of the parts. */
        (void)!file_write(own->inner, offset, parts, count / 2);
    }
    return status != STATUS_OK ? status : file_write(own->inner, offset, parts, count);
}

static enum status fault_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    own->disk->reads++;
    return status == STATUS_OK ? file_read(own->inner, offset, into, size, got) : status;
}

static enum status fault_sync(struct file *file)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    own->disk->syncs++;
    return status == STATUS_OK ? file_sync(own->inner) : status;
}

static enum status fault_truncate(struct file *file, uint64_t size)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    return status == STATUS_OK ? file_truncate(own->inner, size) : status;
}

static enum status fault_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    return status == STATUS_OK ? file_allocate(own->inner, offset, size) : status;
}

static enum status fault_size(struct file *file, uint64_t *size)
{
    struct fault_file *own = fault_file_of(file);
    const enum status status = fault_check(own->disk);

    return status == STATUS_OK ? file_size(own->inner, size) : status;
}

static void fault_destroy(struct file *file)
{
    struct fault_file *own = fault_file_of(file);

    own->disk->open_files--;
    file_unref(own->inner);
    memory_free(own);
}

static const struct file_ops fault_file_ops = {
    .write = fault_write,
    .read = fault_read,
    .sync = fault_sync,
    .truncate = fault_truncate,
    .allocate = fault_allocate,
    .size = fault_size,
    .destroy = fault_destroy,
};

static void fault_wrap(struct fault_disk *disk, struct file **file)
{
    struct fault_file *own = memory_alloc_zero(1, sizeof(*own));

    own->file.ops = &fault_file_ops;
    own->file.references = 1;
    own->disk = disk;
    own->inner = *file;
    disk->open_files++;
    *file = &own->file;
}

static enum status fault_open(struct disk *disk, const char *path, unsigned flags, struct file **file)
{
    enum status status = fault_check(fault_of(disk));

    if (status == STATUS_OK) {
        status = disk_open(fault_of(disk)->inner, path, flags, file);
    }
    if (status == STATUS_OK) {
        fault_wrap(fault_of(disk), file);
    }
    return status;
}

static enum status fault_lock(struct disk *disk, const char *path, struct file **file)
{
    enum status status = fault_check(fault_of(disk));

    if (status == STATUS_OK) {
        status = disk_lock(fault_of(disk)->inner, path, file);
    }
    if (status == STATUS_OK) {
        fault_wrap(fault_of(disk), file);
    }
    return status;
}

static enum status fault_rename(struct disk *disk, const char *from, const char *to)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_rename(fault_of(disk)->inner, from, to) : status;
}

static enum status fault_remove(struct disk *disk, const char *path)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_remove(fault_of(disk)->inner, path) : status;
}

static enum status fault_make_directory(struct disk *disk, const char *path)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_make_directory(fault_of(disk)->inner, path) : status;
}

static enum status fault_remove_directory(struct disk *disk, const char *path)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_remove_directory(fault_of(disk)->inner, path) : status;
}

static enum status fault_sync_directory(struct disk *disk, const char *path)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_sync_directory(fault_of(disk)->inner, path) : status;
}

static enum status fault_list(struct disk *disk, const char *path,
                              void (*entry)(void *context, const char *name, enum disk_kind kind), void *context)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_list(fault_of(disk)->inner, path, entry, context) : status;
}

static enum status fault_file_size(struct disk *disk, const char *path, uint64_t *size)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_file_size(fault_of(disk)->inner, path, size) : status;
}

static enum status fault_space(struct disk *disk, const char *path, struct disk_space *space)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_space(fault_of(disk)->inner, path, space) : status;
}

static enum status fault_sync_below(struct disk *disk, const char *path)
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_sync_below(fault_of(disk)->inner, path) : status;
}

static enum status fault_life(struct disk *disk, const char *path, char text[DISK_LIFE_MAX])
{
    const enum status status = fault_check(fault_of(disk));

    return status == STATUS_OK ? disk_life(fault_of(disk)->inner, path, text) : status;
}

static const struct disk_ops fault_disk_ops = {
    .open = fault_open,
    .rename = fault_rename,
    .remove = fault_remove,
    .make_directory = fault_make_directory,
    .remove_directory = fault_remove_directory,
    .sync_directory = fault_sync_directory,
    .list = fault_list,
    .file_size = fault_file_size,
    .space = fault_space,
    .lock = fault_lock,
    .sync_below = fault_sync_below,
    .life = fault_life,
};

void fault_disk_init(struct fault_disk *disk, struct disk *inner)
{
    *disk = (struct fault_disk){.disk.ops = &fault_disk_ops, .inner = inner};
}
