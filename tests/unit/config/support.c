/* Reading only: everything else of a disk is not there. */
#include "tests/unit/config/support.h"

#include "common/base/memory.h"

struct one_file {
    struct file file;
    const char *contents;
};

static enum status one_file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got)
{
    const struct one_file *one = (const struct one_file *)file;
    const size_t left = strlen(one->contents) - (size_t)offset;

    *got = size < left ? size : left;
    memcpy(into, one->contents + offset, *got);
    return STATUS_OK;
}

static enum status one_file_size(struct file *file, uint64_t *size)
{
    *size = strlen(((const struct one_file *)file)->contents);
    return STATUS_OK;
}

static void one_file_destroy(struct file *file)
{
    memory_free(file);
}

static const struct file_ops file_ops = {.read = one_file_read, .size = one_file_size, .destroy = one_file_destroy};

static enum status one_file_open(struct disk *disk, const char *path, unsigned flags, struct file **file)
{
    const struct one_file_disk *one = (const struct one_file_disk *)disk;
    struct one_file *opened;

    (void)flags;
    if (strcmp(path, one->path) != 0) {
        return STATUS_NOT_FOUND;
    }
    opened = memory_alloc(sizeof(*opened));
    *opened = (struct one_file){.file = {.ops = &file_ops, .references = 1}, .contents = one->contents};
    *file = &opened->file;
    return STATUS_OK;
}

static const struct disk_ops disk_ops = {.open = one_file_open};

void one_file_disk_init(struct one_file_disk *disk, const char *path, const char *contents)
{
    *disk = (struct one_file_disk){.disk = {.ops = &disk_ops}, .path = path, .contents = contents};
}
