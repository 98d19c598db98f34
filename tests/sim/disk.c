/* The calls. Each passes disk_gate first, which counts it, charges its time to whoever runs, and may make it fail or
 * crash the process in it. A test that uses the disk from outside has no faults. */
#include "tests/sim/disk.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "tests/sim/inode.h"
#include "tests/sim/names.h"
#include "tests/sim/process.h"

#include <stdio.h>
#include <string.h>

#define CALL_NS UINT64_C(1500)
#define CACHE_BYTES_PER_US 4000
#define PLATTER_BYTES_PER_US 400
#define SYNC_LEAST_NS (100 * UINT64_C(1000))
#define SYNC_MOST_NS (4 * NS_PER_MS)
#define COLD_READ_PER_MILLION 10000
#define COLD_READ_MOST_NS (8 * NS_PER_MS)
#define CAPACITY_DEFAULT (UINT64_C(1) << 40)

enum disk_call { CALL_LOOK, CALL_READ, CALL_WRITE, CALL_SYNC, CALL_CHANGE };

struct sim_disk {
    struct disk base;
    struct sim_process *process;
    struct sim_inode *root;
    struct list inodes;  /* of struct sim_inode */
    struct list pending; /* changes of names that are not durable */
    struct list handles; /* of struct sim_handle */
    struct sim_disk_faults faults;
    uint64_t calls;
    uint64_t changes;
    uint64_t power_cuts;
};

/* An open file. */
struct sim_handle {
    struct file base;
    struct list link;
    struct sim_disk *disk;
    struct sim_inode *inode;
    bool writable;
};

static struct sim_disk *disk_from(struct disk *base)
{
    return CONTAINER_OF(base, struct sim_disk, base);
}

static struct sim_handle *handle_from(struct file *base)
{
    return CONTAINER_OF(base, struct sim_handle, base);
}

/* True if the crash that was ordered comes within this call. */
static bool disk_crash_is_due(struct sim_disk *disk)
{
    disk->changes++;
    if (disk->faults.crash_call == 0) {
        return false;
    }
    disk->faults.crash_call--;
    return disk->faults.crash_call == 0;
}

static void disk_crash(struct sim_disk *disk)
{
    sim_process_crash(disk->process, disk->faults.crash_how);
}

/* Counts the call and charges `cost_ns`. Anything but STATUS_OK is what the call returns. */
static enum status disk_gate(struct sim_disk *disk, enum disk_call call, uint64_t cost_ns)
{
    static const size_t none = 0;
    struct sim_world *world = disk->process->world;
    struct sim_disk_faults *faults = &disk->faults;
    const uint32_t error_per_million[] = {[CALL_LOOK] = none,
                                          [CALL_READ] = faults->read_error_per_million,
                                          [CALL_WRITE] = faults->write_error_per_million,
                                          [CALL_SYNC] = faults->sync_error_per_million,
                                          [CALL_CHANGE] = faults->write_error_per_million};

    if (world->scene.process == NULL) {
        return STATUS_OK;
    }
    /* A disk is reached by its own machine only. */
    ASSERT(world->scene.process == disk->process);
    disk->calls++;
    sim_charge(world, cost_ns);
    if (sim_chance(world, faults->slow_per_million)) {
        sim_charge(world, faults->slow_ns);
    }
    /* A write crashes by itself, in its middle. */
    if ((call == CALL_CHANGE || call == CALL_SYNC) && disk_crash_is_due(disk)) {
        disk_crash(disk);
    }
    if (call == CALL_SYNC && faults->fail_sync > 0) {
        faults->fail_sync--;
        if (faults->fail_sync == 0) {
            return STATUS_IO;
        }
    }
    if (faults->fail_call > 0) {
        faults->fail_call--;
        if (faults->fail_call == 0) {
            return STATUS_IO;
        }
    }
    return sim_chance(world, error_per_million[call]) ? STATUS_IO : STATUS_OK;
}

static uint64_t disk_capacity(const struct sim_disk *disk)
{
    return disk->faults.capacity > 0 ? disk->faults.capacity : CAPACITY_DEFAULT;
}

uint64_t disk_used_bytes(const struct sim_disk *disk)
{
    uint64_t used = 0;

    LIST_EACH(link, &disk->inodes) {
        used += inode_footprint(LIST_ENTRY(link, struct sim_inode, all));
    }
    return used;
}

/* True if `inode` may take up `size` bytes. Only a disk with a limit is measured. */
static bool disk_has_room(const struct sim_disk *disk, const struct sim_inode *inode, uint64_t size)
{
    const uint64_t now = inode_footprint(inode);

    return disk->faults.capacity == 0 || size <= now || disk_used_bytes(disk) + (size - now) <= disk->faults.capacity;
}

/* The next component of *path in `name`, which has room for every path; false at the end. */
static bool path_next(const char **path, char name[DISK_PATH_MAX])
{
    do {
        size_t size;

        *path += strspn(*path, "/");
        size = strcspn(*path, "/");
        if (size == 0 || size >= DISK_PATH_MAX) {
            return false;
        }
        memcpy(name, *path, size);
        name[size] = '\0';
        *path += size;
    } while (strcmp(name, ".") == 0);
    return true;
}

/* The directory that holds the last component, which goes to `name` (empty: the path is the root). NULL if it is not
 * there. */
static struct sim_inode *disk_walk(struct sim_disk *disk, const char *path, char name[DISK_PATH_MAX])
{
    struct sim_inode *directory = disk->root;
    char next[DISK_PATH_MAX];

    name[0] = '\0';
    while (path_next(&path, next)) {
        if (name[0] != '\0') {
            directory = names_find(&directory->cached_names, name);
            if (directory == NULL || directory->kind != DISK_DIRECTORY) {
                return NULL;
            }
        }
        memcpy(name, next, strlen(next) + 1);
    }
    return directory;
}

static struct sim_inode *disk_find(struct sim_disk *disk, const char *path)
{
    char name[DISK_PATH_MAX];
    struct sim_inode *directory = disk_walk(disk, path, name);

    if (directory == NULL || name[0] == '\0') {
        return directory;
    }
    return names_find(&directory->cached_names, name);
}

static void disk_note(struct sim_disk *disk, uint64_t what, const void *data, size_t size)
{
    sim_note(disk->process->world, what, crc32c(data, size));
}

/* Writes the first `size` of the bytes in the parts. */
static void handle_write_bytes(struct sim_handle *handle, uint64_t offset, const struct bytes *parts, size_t size)
{
    for (; size > 0; parts++) {
        const size_t step = parts->size < size ? parts->size : size;

        disk_note(handle->disk, offset, parts->data, step);
        inode_write(handle->inode, offset, parts->data, step);
        offset += step;
        size -= step;
    }
}

static enum status handle_write(struct file *file, uint64_t offset, const struct bytes *parts, size_t count)
{
    struct sim_handle *handle = handle_from(file);
    struct sim_disk *disk = handle->disk;
    struct sim_world *world = disk->process->world;
    size_t size = 0;
    enum status status;

    ASSERT(handle->writable);
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    status = disk_gate(disk, CALL_WRITE, CALL_NS + size * 1000 / CACHE_BYTES_PER_US);
    if (status == STATUS_OK && !disk_has_room(disk, handle->inode, offset + size)) {
        status = STATUS_NO_SPACE;
    }
    world->counters.disk_writes++;
    if (world->scene.process != NULL && disk_crash_is_due(disk)) {
        handle_write_bytes(handle, offset, parts, (size_t)prng_below(&world->prng, size + 1));
        disk_crash(disk);
    }
    if (status != STATUS_OK) {
        /* "Any prefix may be there", but no more than there is room for. */
        handle_write_bytes(handle, offset, parts, status == STATUS_IO ? (size_t)prng_below(&world->prng, size + 1) : 0);
        return status;
    }
    handle_write_bytes(handle, offset, parts, size);
    return STATUS_OK;
}

static enum status handle_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got)
{
    struct sim_handle *handle = handle_from(file);
    struct sim_world *world = handle->disk->process->world;
    const uint64_t cold_ns = sim_chance(world, COLD_READ_PER_MILLION) ? sim_between(world, 0, COLD_READ_MOST_NS) : 0;
    const enum status status =
        disk_gate(handle->disk, CALL_READ, CALL_NS + size * 1000 / CACHE_BYTES_PER_US + cold_ns);

    *got = 0;
    if (status == STATUS_OK && size > 0) {
        *got = content_read(&handle->inode->cached, offset, into, size);
    }
    return status;
}

static enum status handle_sync(struct file *file)
{
    struct sim_handle *handle = handle_from(file);
    struct sim_world *world = handle->disk->process->world;
    const enum status status = disk_gate(handle->disk, CALL_SYNC, sim_between(world, SYNC_LEAST_NS, SYNC_MOST_NS));

    world->counters.disk_syncs++;
    if (status != STATUS_OK) {
        inode_fail_sync(handle->inode, &world->prng);
        return status;
    }
    sim_charge(world, inode_sync(handle->inode) * 1000 / PLATTER_BYTES_PER_US);
    return STATUS_OK;
}

static enum status handle_truncate(struct file *file, uint64_t size)
{
    struct sim_handle *handle = handle_from(file);
    const enum status status = disk_gate(handle->disk, CALL_CHANGE, CALL_NS);

    ASSERT(handle->writable);
    if (status == STATUS_OK) {
        inode_truncate(handle->inode, size);
    }
    return status;
}

static enum status handle_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    struct sim_handle *handle = handle_from(file);
    const enum status status = disk_gate(handle->disk, CALL_CHANGE, CALL_NS);

    if (status != STATUS_OK) {
        return status;
    }
    if (!disk_has_room(handle->disk, handle->inode, offset + size)) {
        return STATUS_NO_SPACE;
    }
    if (handle->inode->reserved < offset + size) {
        handle->inode->reserved = offset + size;
    }
    return STATUS_OK;
}

static enum status handle_size(struct file *file, uint64_t *size)
{
    struct sim_handle *handle = handle_from(file);
    const enum status status = disk_gate(handle->disk, CALL_LOOK, CALL_NS);

    *size = handle->inode->cached.size;
    return status;
}

static void handle_free(struct sim_handle *handle)
{
    if (handle->inode->locker == handle) {
        handle->inode->locker = NULL;
    }
    list_remove(&handle->link);
    inode_unref(handle->inode);
    sim_free(handle);
}

static void handle_destroy(struct file *file)
{
    handle_free(handle_from(file));
}

static const struct file_ops handle_ops = {
    .write = handle_write,
    .read = handle_read,
    .sync = handle_sync,
    .truncate = handle_truncate,
    .allocate = handle_allocate,
    .size = handle_size,
    .destroy = handle_destroy,
};

static struct sim_handle *disk_open_inode(struct sim_disk *disk, struct sim_inode *inode, bool writable)
{
    struct sim_handle *handle = sim_alloc(sizeof(*handle));

    handle->base = (struct file){.ops = &handle_ops, .references = 1};
    handle->disk = disk;
    handle->inode = inode_ref(inode);
    handle->writable = writable;
    list_append(&disk->handles, &handle->link);
    return handle;
}

static bool name_ends(const char *name, const char *end)
{
    const size_t size = strlen(name);

    return size >= strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

/* A new inode under a new name. */
static struct sim_inode *disk_make(struct sim_disk *disk, struct sim_inode *directory, const char *name,
                                   enum disk_kind kind)
{
    struct sim_inode *inode = inode_create(&disk->inodes, kind);
    const struct name_setting setting = {.directory = directory, .inode = inode, .text = name};

    disk_note(disk, UINT64_C(0xc4ea7e), name, strlen(name));
    disk->process->world->counters.segments_made += name_ends(name, ".log") ? 1 : 0;
    names_change(&disk->pending, &setting, 1);
    inode_unref(inode);
    return inode;
}

static enum status disk_open_path(struct disk *base, const char *path, unsigned flags, struct file **file)
{
    struct sim_disk *disk = disk_from(base);
    char name[DISK_PATH_MAX];
    const bool changes = (flags & (FILE_CREATE | FILE_TRUNCATE)) != 0;
    enum status status = disk_gate(disk, changes ? CALL_CHANGE : CALL_LOOK, CALL_NS);
    struct sim_inode *directory = disk_walk(disk, path, name);
    struct sim_inode *inode;

    if (status != STATUS_OK) {
        return status;
    }
    if (directory == NULL) {
        return STATUS_NOT_FOUND;
    }
    inode = name[0] != '\0' ? names_find(&directory->cached_names, name) : directory;
    if (inode == NULL) {
        if ((flags & FILE_CREATE) == 0) {
            return STATUS_NOT_FOUND;
        }
        inode = disk_make(disk, directory, name, DISK_FILE);
    } else if ((flags & FILE_CREATE) != 0 && (flags & FILE_EXCLUSIVE) != 0) {
        return STATUS_EXISTS;
    }
    if (inode->kind != DISK_FILE) {
        return STATUS_IO;
    }
    if ((flags & FILE_TRUNCATE) != 0 && inode->cached.size > 0) {
        inode_truncate(inode, 0);
    }
    *file = &disk_open_inode(disk, inode, (flags & FILE_WRITE) != 0)->base;
    return STATUS_OK;
}

static bool directory_is_empty(const struct sim_inode *inode)
{
    return list_empty(&inode->cached_names);
}

/* What rename(2) says about replacing `there` (may be NULL) by `moved`. */
static enum status disk_may_replace(const struct sim_inode *there, const struct sim_inode *moved)
{
    if (there == NULL || there->kind == moved->kind) {
        return there != NULL && !directory_is_empty(there) ? STATUS_EXISTS : STATUS_OK;
    }
    return there->kind == DISK_DIRECTORY ? STATUS_IO : STATUS_NOT_FOUND;
}

static enum status disk_rename_path(struct disk *base, const char *from, const char *to)
{
    struct sim_disk *disk = disk_from(base);
    char from_name[DISK_PATH_MAX];
    char to_name[DISK_PATH_MAX];
    enum status status = disk_gate(disk, CALL_CHANGE, CALL_NS);
    struct name_setting settings[2] = {{.directory = disk_walk(disk, to, to_name), .text = to_name},
                                       {.directory = disk_walk(disk, from, from_name), .text = from_name}};
    struct sim_inode *inode;

    if (status != STATUS_OK) {
        return status;
    }
    if (settings[0].directory == NULL || settings[1].directory == NULL || to_name[0] == '\0') {
        return STATUS_NOT_FOUND;
    }
    inode = names_find(&settings[1].directory->cached_names, from_name);
    if (inode == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (names_find(&settings[0].directory->cached_names, to_name) == inode) {
        return STATUS_OK;
    }
    status = disk_may_replace(names_find(&settings[0].directory->cached_names, to_name), inode);
    if (status == STATUS_OK) {
        disk_note(disk, UINT64_C(0x4e4a3e), to_name, strlen(to_name));
        disk->process->world->counters.segments_retired += name_ends(to_name, ".log.deleted") ? 1 : 0;
        settings[0].inode = inode;
        names_change(&disk->pending, settings, 2);
    }
    return status;
}

/* Removes the name of a file or of an empty directory. */
static enum status disk_remove_kind(struct disk *base, const char *path, enum disk_kind kind)
{
    struct sim_disk *disk = disk_from(base);
    char name[DISK_PATH_MAX];
    const enum status status = disk_gate(disk, CALL_CHANGE, CALL_NS);
    const struct name_setting setting = {.directory = disk_walk(disk, path, name), .text = name};
    const struct sim_inode *inode;

    if (status != STATUS_OK) {
        return status;
    }
    inode = setting.directory != NULL ? names_find(&setting.directory->cached_names, name) : NULL;
    if (inode == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (inode->kind != kind) {
        return kind == DISK_DIRECTORY ? STATUS_NOT_FOUND : STATUS_IO;
    }
    if (!directory_is_empty(inode)) {
        return STATUS_EXISTS;
    }
    disk_note(disk, UINT64_C(0x4e30e), name, strlen(name));
    names_change(&disk->pending, &setting, 1);
    return STATUS_OK;
}

static enum status disk_remove_path(struct disk *base, const char *path)
{
    return disk_remove_kind(base, path, DISK_FILE);
}

static enum status disk_remove_directory_path(struct disk *base, const char *path)
{
    return disk_remove_kind(base, path, DISK_DIRECTORY);
}

static enum status disk_make_directory_path(struct disk *base, const char *path)
{
    struct sim_disk *disk = disk_from(base);
    char name[DISK_PATH_MAX];
    const enum status status = disk_gate(disk, CALL_CHANGE, CALL_NS);
    struct sim_inode *directory = disk_walk(disk, path, name);

    if (status != STATUS_OK) {
        return status;
    }
    if (directory == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (name[0] == '\0' || names_find(&directory->cached_names, name) != NULL) {
        return STATUS_EXISTS;
    }
    disk_make(disk, directory, name, DISK_DIRECTORY);
    return STATUS_OK;
}

static enum status disk_sync_directory_path(struct disk *base, const char *path)
{
    struct sim_disk *disk = disk_from(base);
    struct sim_world *world = disk->process->world;
    const enum status status = disk_gate(disk, CALL_SYNC, sim_between(world, SYNC_LEAST_NS, SYNC_MOST_NS));
    struct sim_inode *directory = disk_find(disk, path);

    if (status != STATUS_OK) {
        return status;
    }
    if (directory == NULL || directory->kind != DISK_DIRECTORY) {
        return STATUS_NOT_FOUND;
    }
    world->counters.disk_syncs++;
    names_sync(&disk->pending, directory);
    return STATUS_OK;
}

struct told_name {
    enum disk_kind kind;
    char text[];
};

/* `entry` may change the directory, so it is told of a copy, which belongs to who lists: a crash in it is no leak. */
static void disk_tell_names(const struct list *names, void (*entry)(void *context, const char *name,
                                                                    enum disk_kind kind),
                            void *context)
{
    struct told_name **told;
    size_t count = 0;

    LIST_EACH(link, names) {
        count++;
    }
    told = memory_alloc_zero(count + 1, sizeof(*told));
    count = 0;
    LIST_EACH(link, names) {
        const struct sim_name *name = LIST_ENTRY(link, struct sim_name, link);
        const size_t size = strlen(name->text) + 1;

        told[count] = memory_alloc(sizeof(**told) + size);
        told[count]->kind = name->inode->kind;
        memcpy(told[count]->text, name->text, size);
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        entry(context, told[i]->text, told[i]->kind);
        memory_free(told[i]);
    }
    memory_free(told);
}

static enum status disk_list_path(struct disk *base, const char *path,
                                  void (*entry)(void *context, const char *name, enum disk_kind kind), void *context)
{
    struct sim_disk *disk = disk_from(base);
    struct sim_world *world = disk->process->world;
    const enum status status = disk_gate(disk, CALL_READ, CALL_NS);
    struct sim_inode *directory = disk_find(disk, path);
    struct list *names;

    if (status != STATUS_OK) {
        return status;
    }
    if (directory == NULL || directory->kind != DISK_DIRECTORY) {
        return STATUS_NOT_FOUND;
    }
    /* "In no order": every listing begins somewhere else. */
    names = &directory->cached_names;
    for (uint64_t turns = prng_below(&world->prng, 8); turns > 0 && !list_empty(names); turns--) {
        list_append(names, list_take_first(names));
    }
    disk_tell_names(names, entry, context);
    return STATUS_OK;
}

static enum status disk_file_size_path(struct disk *base, const char *path, uint64_t *size)
{
    struct sim_disk *disk = disk_from(base);
    const enum status status = disk_gate(disk, CALL_LOOK, CALL_NS);
    const struct sim_inode *inode = disk_find(disk, path);

    if (status != STATUS_OK) {
        return status;
    }
    if (inode == NULL) {
        return STATUS_NOT_FOUND;
    }
    *size = inode->cached.size;
    return STATUS_OK;
}

static enum status disk_space_path(struct disk *base, const char *path, struct disk_space *space)
{
    struct sim_disk *disk = disk_from(base);
    const enum status status = disk_gate(disk, CALL_LOOK, CALL_NS);
    const uint64_t total = disk_capacity(disk);
    const uint64_t used = disk_used_bytes(disk);

    if (status != STATUS_OK) {
        return status;
    }
    if (disk_find(disk, path) == NULL) {
        return STATUS_NOT_FOUND;
    }
    *space = (struct disk_space){.total = total, .usable = used < total ? total - used : 0};
    return STATUS_OK;
}

static enum status disk_lock_path(struct disk *base, const char *path, struct file **file)
{
    enum status status = disk_open_path(base, path, FILE_WRITE | FILE_CREATE, file);
    struct sim_handle *handle;

    if (status != STATUS_OK) {
        return status;
    }
    handle = handle_from(*file);
    if (handle->inode->locker != NULL) {
        handle_free(handle);
        *file = NULL;
        return STATUS_LOCKED;
    }
    handle->inode->locker = handle;
    return STATUS_OK;
}

/* Bytes that this wrote. */
static uint64_t disk_sync_tree(struct sim_disk *disk, struct sim_inode *inode)
{
    uint64_t bytes = 0;

    if (inode->kind == DISK_FILE) {
        return inode_sync(inode);
    }
    names_sync(&disk->pending, inode);
    LIST_EACH(link, &inode->cached_names) {
        bytes += disk_sync_tree(disk, LIST_ENTRY(link, struct sim_name, link)->inode);
    }
    return bytes;
}

static enum status disk_sync_below_path(struct disk *base, const char *path)
{
    struct sim_disk *disk = disk_from(base);
    struct sim_world *world = disk->process->world;
    const enum status status = disk_gate(disk, CALL_SYNC, sim_between(world, SYNC_LEAST_NS, SYNC_MOST_NS));
    struct sim_inode *directory = disk_find(disk, path);

    if (status != STATUS_OK) {
        return status;
    }
    if (directory == NULL || directory->kind != DISK_DIRECTORY) {
        return STATUS_NOT_FOUND;
    }
    world->counters.disk_syncs++;
    sim_charge(world, disk_sync_tree(disk, directory) * 1000 / PLATTER_BYTES_PER_US);
    return STATUS_OK;
}

static enum status disk_life_path(struct disk *base, const char *path, char text[DISK_LIFE_MAX])
{
    struct sim_disk *disk = disk_from(base);
    const enum status status = disk_gate(disk, CALL_LOOK, CALL_NS);

    (void)path;
    if (status == STATUS_OK) {
        snprintf(text, DISK_LIFE_MAX, "life-%llu", (unsigned long long)disk->power_cuts);
    }
    return status;
}

static const struct disk_ops sim_disk_ops = {
    .open = disk_open_path,
    .rename = disk_rename_path,
    .remove = disk_remove_path,
    .make_directory = disk_make_directory_path,
    .remove_directory = disk_remove_directory_path,
    .sync_directory = disk_sync_directory_path,
    .list = disk_list_path,
    .file_size = disk_file_size_path,
    .space = disk_space_path,
    .lock = disk_lock_path,
    .sync_below = disk_sync_below_path,
    .life = disk_life_path,
};

struct sim_disk *disk_create(struct sim_process *process)
{
    struct sim_disk *disk = sim_alloc(sizeof(*disk));

    disk->base.ops = &sim_disk_ops;
    disk->process = process;
    list_init(&disk->inodes);
    list_init(&disk->pending);
    list_init(&disk->handles);
    disk->root = inode_create(&disk->inodes, DISK_DIRECTORY);
    return disk;
}

void disk_free(struct sim_disk *disk)
{
    disk_abandon(disk);
    names_forget(&disk->pending);
    inode_unref(disk->root);
    ASSERT(list_empty(&disk->inodes));
    sim_free(disk);
}

struct disk *disk_of(struct sim_disk *disk)
{
    return &disk->base;
}

void disk_abandon(struct sim_disk *disk)
{
    while (!list_empty(&disk->handles)) {
        handle_free(LIST_ENTRY(disk->handles.next, struct sim_handle, link));
    }
}

size_t disk_open_files(const struct sim_disk *disk)
{
    size_t count = 0;

    LIST_EACH(link, &disk->handles) {
        count++;
    }
    return count;
}

void disk_power_cut(struct sim_disk *disk)
{
    struct prng *prng = &disk->process->world->prng;

    disk->power_cuts++;
    LIST_EACH(link, &disk->inodes) {
        struct sim_inode *inode = LIST_ENTRY(link, struct sim_inode, all);

        if (inode->kind == DISK_FILE) {
            inode_power_cut(inode, prng);
        }
    }
    names_power_cut(&disk->pending, disk->root, prng);
}

struct disk *sim_disk(struct sim_process *process)
{
    return &process->disk->base;
}

void sim_disk_faults_set(struct sim_process *process, const struct sim_disk_faults *faults)
{
    process->disk->faults = *faults;
}

uint64_t sim_disk_calls(const struct sim_process *process)
{
    return process->disk->calls;
}

uint64_t sim_disk_changes(const struct sim_process *process)
{
    return process->disk->changes;
}

static void content_flip(struct sim_content *content, uint64_t offset, unsigned bit)
{
    uint8_t byte;

    if (content_read(content, offset, &byte, 1) == 1) {
        byte = (uint8_t)(byte ^ 1U << bit % 8);
        content_write(content, offset, &byte, 1);
    }
}

enum status sim_disk_flip(struct sim_process *process, const char *path, uint64_t offset, unsigned bit)
{
    struct sim_inode *inode = disk_find(process->disk, path);

    if (inode == NULL || inode->kind != DISK_FILE) {
        return STATUS_NOT_FOUND;
    }
    if (offset >= inode->cached.size) {
        return STATUS_OUT_OF_RANGE;
    }
    content_flip(&inode->cached, offset, bit);
    content_flip(&inode->durable, offset, bit);
    return STATUS_OK;
}

/* The file number *skip below `directory`, in the order of the names on the platter; NULL if there are fewer, and *skip
 * is less by what there is. `name` gets its name. */
static struct sim_inode *disk_file_number(const struct sim_inode *directory, uint64_t *skip, const char **name)
{
    LIST_EACH(link, &directory->durable_names) {
        const struct sim_name *entry = LIST_ENTRY(link, struct sim_name, link);

        if (entry->inode->kind == DISK_DIRECTORY) {
            struct sim_inode *found = disk_file_number(entry->inode, skip, name);

            if (found != NULL) {
                return found;
            }
        } else if (entry->inode->durable.size > 0) {
            if (*skip == 0) {
                *name = entry->text;
                return entry->inode;
            }
            (*skip)--;
        }
    }
    return NULL;
}

void disk_rot(struct sim_disk *disk)
{
    struct sim_world *world = disk->process->world;
    uint64_t count = UINT64_MAX;
    struct sim_inode *inode;
    const char *name;
    uint64_t offset;
    unsigned bit;

    (void)disk_file_number(disk->root, &count, &name);
    count = UINT64_MAX - count;
    if (count == 0) {
        return;
    }
    count = prng_below(&world->prng, count);
    inode = disk_file_number(disk->root, &count, &name);
    offset = prng_below(&world->prng, inode->durable.size);
    bit = (unsigned)prng_below(&world->prng, 8);
    sim_say(world, "the disk of %s rots: bit %u of byte %llu of %s", disk->process->name, bit,
            (unsigned long long)offset, name);
    content_flip(&inode->cached, offset, bit);
    content_flip(&inode->durable, offset, bit);
}

void sim_disk_replace(struct sim_process *process)
{
    ASSERT(process->state == PROCESS_DOWN);
    disk_free(process->disk);
    process->disk = disk_create(process);
    for (unsigned i = 0; i < process->loop_count; i++) {
        process->loops[i].env.disk = disk_of(process->disk);
    }
}
