/* A disk in memory for unit tests. */
#include "tests/support/memory_disk.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdio.h>

#define MEMORY_SECTOR 512

/* Bytes of one file; kept while a name, an older list of names or an open file refers to it. */
struct memory_inode {
    int references;
    struct buffer data;
    struct buffer synced;
    bool locked;
};

struct memory_file {
    struct file file;
    struct memory_disk *disk;
    struct memory_inode *inode;
    uint64_t generation;
    bool lock;
};

static void inode_unref(struct memory_inode *inode)
{
    if (inode != NULL && --inode->references == 0) {
        buffer_deinit(&inode->data);
        buffer_deinit(&inode->synced);
        memory_free(inode);
    }
}

static void names_clear(struct memory_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        memory_free(names->names[i].path);
        inode_unref(names->names[i].inode);
    }
    memory_free(names->names);
    *names = (struct memory_names){0};
}

static void names_copy(struct memory_names *to, const struct memory_names *from)
{
    to->names = memory_alloc_zero(from->count, sizeof(struct memory_name));
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        to->names[i].path = memory_copy_text(from->names[i].path, strlen(from->names[i].path));
        to->names[i].inode = from->names[i].inode;
        if (to->names[i].inode != NULL) {
            to->names[i].inode->references++;
        }
    }
}

static struct memory_name *names_find(struct memory_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i].path, path) == 0) {
            return &names->names[i];
        }
    }
    return NULL;
}

static void names_add(struct memory_names *names, const char *path, struct memory_inode *inode)
{
    names->names = memory_resize(names->names, names->count + 1, sizeof(struct memory_name));
    names->names[names->count].path = memory_copy_text(path, strlen(path));
    names->names[names->count].inode = inode;
    if (inode != NULL) {
        inode->references++;
    }
    names->count++;
}

static void names_remove(struct memory_names *names, struct memory_name *name)
{
    memory_free(name->path);
    inode_unref(name->inode);
    *name = names->names[--names->count];
}

/* Counts a changing operation; false: it fails. */
static bool disk_may_change(struct memory_disk *disk)
{
    disk->operations++;
    return disk->fail_at == 0 || disk->operations < disk->fail_at;
}

static enum status disk_refusal(const struct memory_disk *disk)
{
    return disk->fail_status != STATUS_OK ? disk->fail_status : STATUS_IO;
}

static void disk_names_changed(struct memory_disk *disk)
{
    disk->steps = memory_resize(disk->steps, disk->step_count + 1, sizeof(struct memory_names));
    names_copy(&disk->steps[disk->step_count++], &disk->now);
}

static void disk_steps_clear(struct memory_disk *disk)
{
    for (size_t i = 0; i < disk->step_count; i++) {
        names_clear(&disk->steps[i]);
    }
    memory_free(disk->steps);
    disk->steps = NULL;
    disk->step_count = 0;
}

/* Files. */

static bool file_is_dead(const struct memory_file *file)
{
    return file->generation != file->disk->generation;
}

static void buffer_extend(struct buffer *buffer, size_t size)
{
    if (buffer->size < size) {
        const size_t more = size - buffer->size;

        memset(buffer_reserve(buffer, more), 0, more);
        buffer->size = size;
    }
}

static enum status memory_write(struct file *base, uint64_t offset, const struct bytes *parts, size_t count)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    if (file_is_dead(file)) {
        return STATUS_IO;
    }
    if (!disk_may_change(file->disk)) {
        return disk_refusal(file->disk);
    }
    for (size_t i = 0; i < count; i++) {
        buffer_extend(&file->inode->data, (size_t)offset + parts[i].size);
        if (parts[i].size > 0) {
            memcpy(file->inode->data.data + offset, parts[i].data, parts[i].size);
        }
        offset += parts[i].size;
    }
    return STATUS_OK;
}

static enum status memory_read(struct file *base, uint64_t offset, void *into, size_t size, size_t *got)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);
    const struct buffer *data = &file->inode->data;

    if (file_is_dead(file)) {
        return STATUS_IO;
    }
    *got = offset >= data->size ? 0 : data->size - (size_t)offset;
    *got = *got < size ? *got : size;
    if (*got > 0) {
        memcpy(into, data->data + offset, *got);
    }
    return STATUS_OK;
}

static void inode_sync(struct memory_inode *inode)
{
    buffer_clear(&inode->synced);
    buffer_append(&inode->synced, inode->data.data, inode->data.size);
}

static enum status memory_sync(struct file *base)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    if (file_is_dead(file)) {
        return STATUS_IO;
    }
    if (!disk_may_change(file->disk)) {
        return disk_refusal(file->disk);
    }
    file->disk->syncs++;
    inode_sync(file->inode);
    return STATUS_OK;
}

static enum status memory_truncate(struct file *base, uint64_t size)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    if (file_is_dead(file)) {
        return STATUS_IO;
    }
    if (!disk_may_change(file->disk)) {
        return disk_refusal(file->disk);
    }
    buffer_extend(&file->inode->data, (size_t)size);
    file->inode->data.size = (size_t)size;
    return STATUS_OK;
}

static enum status memory_allocate(struct file *base, uint64_t offset, uint64_t size)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    (void)offset;
    (void)size;
    if (file_is_dead(file)) {
        return STATUS_IO;
    }
    return disk_may_change(file->disk) ? STATUS_OK : disk_refusal(file->disk);
}

static enum status memory_size(struct file *base, uint64_t *size)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    *size = file->inode->data.size;
    return file_is_dead(file) ? STATUS_IO : STATUS_OK;
}

static void memory_destroy(struct file *base)
{
    struct memory_file *file = CONTAINER_OF(base, struct memory_file, file);

    if (file->lock && !file_is_dead(file)) {
        file->inode->locked = false;
    }
    inode_unref(file->inode);
    memory_free(file);
}

static bool memory_cached(struct file *file, uint64_t offset, uint64_t size)
{
    (void)offset;
    (void)size;
    return !CONTAINER_OF(file, struct memory_file, file)->disk->cold;
}

static const struct file_ops memory_file_ops = {
    .write = memory_write,
    .read = memory_read,
    .sync = memory_sync,
    .truncate = memory_truncate,
    .allocate = memory_allocate,
    .size = memory_size,
    .cached = memory_cached,
    .destroy = memory_destroy,
};

static struct memory_file *file_create(struct memory_disk *disk, struct memory_inode *inode)
{
    struct memory_file *file = memory_alloc_zero(1, sizeof(*file));

    file->file.ops = &memory_file_ops;
    file->file.references = 1;
    file->disk = disk;
    file->inode = inode;
    file->generation = disk->generation;
    inode->references++;
    return file;
}

/* Names. */

static enum status memory_open(struct disk *base, const char *path, unsigned flags, struct file **file)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    struct memory_name *name = names_find(&disk->now, path);

    if (name == NULL) {
        if ((flags & FILE_CREATE) == 0) {
            return STATUS_NOT_FOUND;
        }
        if (!disk_may_change(disk)) {
            return disk_refusal(disk);
        }
        names_add(&disk->now, path, memory_alloc_zero(1, sizeof(struct memory_inode)));
        disk_names_changed(disk);
        name = names_find(&disk->now, path);
    } else if ((flags & FILE_EXCLUSIVE) != 0) {
        return STATUS_EXISTS;
    }
    if (name->inode == NULL) {
        return STATUS_INVALID;
    }
    if ((flags & FILE_TRUNCATE) != 0) {
        name->inode->data.size = 0;
    }
    *file = &file_create(disk, name->inode)->file;
    return STATUS_OK;
}

/* Gives a directory and all that is in it another name. */
static void names_move(struct memory_names *names, const char *from, const char *to)
{
    const size_t size = strlen(from);

    for (size_t i = 0; i < names->count; i++) {
        char *path = names->names[i].path;

        if (strncmp(path, from, size) == 0 && (path[size] == '/' || path[size] == '\0')) {
            const size_t room = strlen(to) + strlen(path + size) + 1;

            names->names[i].path = memory_alloc(room);
            snprintf(names->names[i].path, room, "%s%s", to, path + size);
            memory_free(path);
        }
    }
}

static enum status memory_rename(struct disk *base, const char *from, const char *to)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    struct memory_name *source = names_find(&disk->now, from);
    struct memory_inode *inode;

    if (source == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (!disk_may_change(disk)) {
        return disk_refusal(disk);
    }
    if (source->inode == NULL) {
        names_move(&disk->now, from, to);
        disk_names_changed(disk);
        return STATUS_OK;
    }
    inode = source->inode;
    inode->references++;
    names_remove(&disk->now, source);
    if (names_find(&disk->now, to) != NULL) {
        names_remove(&disk->now, names_find(&disk->now, to));
    }
    names_add(&disk->now, to, inode);
    inode_unref(inode);
    disk_names_changed(disk);
    return STATUS_OK;
}

static enum status memory_remove(struct disk *base, const char *path)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    struct memory_name *name = names_find(&disk->now, path);

    if (name == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (!disk_may_change(disk)) {
        return disk_refusal(disk);
    }
    names_remove(&disk->now, name);
    disk_names_changed(disk);
    return STATUS_OK;
}

static enum status memory_make_directory(struct disk *base, const char *path)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);

    if (names_find(&disk->now, path) != NULL) {
        return STATUS_EXISTS;
    }
    if (!disk_may_change(disk)) {
        return disk_refusal(disk);
    }
    names_add(&disk->now, path, NULL);
    disk_names_changed(disk);
    return STATUS_OK;
}

static enum status memory_sync_directory(struct disk *base, const char *path)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);

    (void)path;
    if (!disk_may_change(disk)) {
        return disk_refusal(disk);
    }
    names_clear(&disk->durable);
    names_copy(&disk->durable, &disk->now);
    disk_steps_clear(disk);
    return STATUS_OK;
}

static enum status memory_list(struct disk *base, const char *path,
                               void (*entry)(void *context, const char *name, enum disk_kind kind), void *context)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    const size_t size = strlen(path);

    if (names_find(&disk->now, path) == NULL) {
        return STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i < disk->now.count; i++) {
        const char *full = disk->now.names[i].path;

        if (strncmp(full, path, size) == 0 && full[size] == '/' && strchr(full + size + 1, '/') == NULL) {
            entry(context, full + size + 1, disk->now.names[i].inode != NULL ? DISK_FILE : DISK_DIRECTORY);
        }
    }
    return STATUS_OK;
}

static enum status memory_file_size(struct disk *base, const char *path, uint64_t *size)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    struct memory_name *name = names_find(&disk->now, path);

    if (name == NULL || name->inode == NULL) {
        return STATUS_NOT_FOUND;
    }
    *size = name->inode->data.size;
    return STATUS_OK;
}

static enum status memory_space(struct disk *base, const char *path, struct disk_space *space)
{
    (void)base;
    (void)path;
    *space = (struct disk_space){UINT64_C(1) << 40, UINT64_C(1) << 40};
    return STATUS_OK;
}

static enum status memory_lock(struct disk *base, const char *path, struct file **file)
{
    const enum status status = memory_open(base, path, FILE_WRITE | FILE_CREATE, file);
    struct memory_file *own;

    if (status != STATUS_OK) {
        return status;
    }
    own = CONTAINER_OF(*file, struct memory_file, file);
    if (own->inode->locked) {
        file_unref(*file);
        *file = NULL;
        return STATUS_LOCKED;
    }
    own->inode->locked = true;
    own->lock = true;
    return STATUS_OK;
}

static enum status memory_sync_below(struct disk *base, const char *path)
{
    struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);
    const size_t size = strlen(path);
    /* Names of all directories are one to this disk. */
    const enum status status = memory_sync_directory(base, path);

    for (size_t i = 0; i < disk->now.count && status == STATUS_OK; i++) {
        struct memory_name *name = &disk->now.names[i];

        if (name->inode != NULL && strncmp(name->path, path, size) == 0 && name->path[size] == '/') {
            inode_sync(name->inode);
        }
    }
    return status;
}

static enum status memory_life(struct disk *base, const char *path, char text[DISK_LIFE_MAX])
{
    const struct memory_disk *disk = CONTAINER_OF(base, struct memory_disk, disk);

    (void)path;
    snprintf(text, DISK_LIFE_MAX, "life-%llu", (unsigned long long)disk->power_cuts);
    return STATUS_OK;
}

static const struct disk_ops memory_disk_ops = {
    .open = memory_open,
    .rename = memory_rename,
    .remove = memory_remove,
    .make_directory = memory_make_directory,
    .remove_directory = memory_remove,
    .sync_directory = memory_sync_directory,
    .list = memory_list,
    .file_size = memory_file_size,
    .space = memory_space,
    .lock = memory_lock,
    .sync_below = memory_sync_below,
    .life = memory_life,
};

void memory_disk_init(struct memory_disk *disk, uint64_t seed)
{
    *disk = (struct memory_disk){.disk.ops = &memory_disk_ops, .generation = 1};
    prng_init(&disk->prng, seed);
}

void memory_disk_deinit(struct memory_disk *disk)
{
    names_clear(&disk->now);
    names_clear(&disk->durable);
    disk_steps_clear(disk);
}

static void inode_crash(struct memory_disk *disk, struct memory_inode *inode, enum memory_crash how)
{
    const size_t written = inode->data.size;
    const size_t synced = inode->synced.size;

    inode->locked = false;
    if (how == MEMORY_CRASH_KEEPS) {
        inode_sync(inode);
        return;
    }
    if (how == MEMORY_CRASH_TEARS && prng_below(&disk->prng, 2) == 0) {
        buffer_extend(&inode->synced, written);
        for (size_t at = 0; at < written; at += MEMORY_SECTOR) {
            const size_t length = written - at < MEMORY_SECTOR ? written - at : MEMORY_SECTOR;

            if (prng_below(&disk->prng, 2) == 0) {
                memcpy(inode->synced.data + at, inode->data.data + at, length);
            }
        }
        if (written > synced && prng_below(&disk->prng, 2) == 0) {
            inode->synced.size = synced + (size_t)prng_below(&disk->prng, written - synced + 1);
        }
    }
    buffer_clear(&inode->data);
    buffer_append(&inode->data, inode->synced.data, inode->synced.size);
}

void memory_disk_crash(struct memory_disk *disk, enum memory_crash how)
{
    size_t keep = 0;

    disk->generation++;
    disk->fail_at = 0;
    if (how == MEMORY_CRASH_KILLS) {
        for (size_t i = 0; i < disk->now.count; i++) {
            if (disk->now.names[i].inode != NULL) {
                disk->now.names[i].inode->locked = false;
            }
        }
        return;
    }
    disk->power_cuts++;
    if (how == MEMORY_CRASH_KEEPS) {
        keep = disk->step_count;
    } else if (how == MEMORY_CRASH_TEARS) {
        keep = (size_t)prng_below(&disk->prng, disk->step_count + 1);
    }
    if (keep > 0) {
        names_clear(&disk->durable);
        names_copy(&disk->durable, &disk->steps[keep - 1]);
    }
    disk_steps_clear(disk);
    names_clear(&disk->now);
    names_copy(&disk->now, &disk->durable);
    for (size_t i = 0; i < disk->now.count; i++) {
        if (disk->now.names[i].inode != NULL) {
            inode_crash(disk, disk->now.names[i].inode, how);
        }
    }
}

struct buffer *memory_disk_contents(struct memory_disk *disk, const char *path)
{
    struct memory_name *name = names_find(&disk->now, path);

    return name != NULL && name->inode != NULL ? &name->inode->data : NULL;
}
