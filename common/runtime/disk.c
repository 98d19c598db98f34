/* Files and directories by Linux calls. Stateless: one table of calls for all loops and workers. A file is its
 * descriptor and a count. Interrupted calls are repeated; short writes go on where they stopped. */
#include "common/runtime/loop.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 64

#define CACHED_PROBE_STEP (256U << 10)

struct disk_file {
    struct file base;
    int descriptor;
};

/* So that an array of bytes is an array of iovec, see disk_vectors. */
_Static_assert(sizeof(struct bytes) == sizeof(struct iovec), "bytes must have the layout of iovec");
_Static_assert(offsetof(struct bytes, data) == offsetof(struct iovec, iov_base), "bytes must have the layout of iovec");
_Static_assert(offsetof(struct bytes, size) == offsetof(struct iovec, iov_len), "bytes must have the layout of iovec");

static const struct iovec *disk_vectors(const struct bytes *parts)
{
    return (const struct iovec *)(const void *)parts;
}

int disk_file_descriptor(const struct file *file)
{
    return ((const struct disk_file *)(const void *)file)->descriptor;
}

static enum status disk_last_error(void)
{
    return status_from_errno(errno);
}

/* Writes from byte `skip` of the first part on, in one call; the number of bytes written or -1 with errno. */
static ssize_t disk_write_some(int descriptor, uint64_t offset, const struct bytes *parts, size_t count, size_t skip)
{
    ssize_t written;

    do {
        if (skip > 0) {
            written = pwrite(descriptor, parts->data + skip, parts->size - skip, (off_t)offset);
        } else {
            written = pwritev(descriptor, disk_vectors(parts), count < IOV_MAX ? (int)count : IOV_MAX, (off_t)offset);
        }
    } while (written < 0 && errno == EINTR);
    return written;
}

static enum status disk_file_write(struct file *file, uint64_t offset, const struct bytes *parts, size_t count)
{
    const int descriptor = disk_file_descriptor(file);
    size_t skip = 0; /* bytes of the first part that are written */

    for (;;) {
        ssize_t written;

        while (count > 0 && skip >= parts->size) {
            skip -= parts->size;
            parts++;
            count--;
        }
        if (count == 0) {
            return STATUS_OK;
        }
        written = disk_write_some(descriptor, offset, parts, count, skip);
        if (written <= 0) {
            return written < 0 ? disk_last_error() : STATUS_IO;
        }
        offset += (uint64_t)written;
        skip += (size_t)written;
    }
}

static enum status disk_file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got)
{
    const int descriptor = disk_file_descriptor(file);

    *got = 0;
    while (*got < size) {
        const ssize_t count = pread(descriptor, (uint8_t *)into + *got, size - *got, (off_t)(offset + *got));

        if (count == 0) {
            break;
        }
        if (count > 0) {
            *got += (size_t)count;
        } else if (errno != EINTR) {
            return disk_last_error();
        }
    }
    return STATUS_OK;
}

static enum status disk_file_sync(struct file *file)
{
    while (fdatasync(disk_file_descriptor(file)) != 0) {
        if (errno != EINTR) {
            return disk_last_error();
        }
    }
    return STATUS_OK;
}

static enum status disk_file_truncate(struct file *file, uint64_t size)
{
    while (ftruncate(disk_file_descriptor(file), (off_t)size) != 0) {
        if (errno != EINTR) {
            return disk_last_error();
        }
    }
    return STATUS_OK;
}

static enum status disk_file_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    while (fallocate(disk_file_descriptor(file), FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            return STATUS_UNSUPPORTED;
        }
        if (errno != EINTR) {
            return disk_last_error();
        }
    }
    return STATUS_OK;
}

static enum status disk_open_file_size(struct file *file, uint64_t *size)
{
    struct stat facts;

    if (fstat(disk_file_descriptor(file), &facts) != 0) {
        return disk_last_error();
    }
    *size = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static void disk_file_destroy(struct file *file)
{
    struct disk_file *disk_file = CONTAINER_OF(file, struct disk_file, base);

    /* What must survive was synced before; an error here could only concern what need not. */
    (void)close(disk_file->descriptor);
    memory_free(disk_file);
}

/* Whether the byte at `offset` can be read without the disk. Where the system cannot tell, it is said to be so. */
static bool disk_byte_cached(int descriptor, uint64_t offset)
{
    uint8_t byte;
    const struct iovec vector = {.iov_base = &byte, .iov_len = 1};

    return preadv2(descriptor, &vector, 1, (off_t)offset, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

/* The system reads ahead in order, so the last byte and a few before it speak for the rest. */
static bool disk_file_cached(struct file *file, uint64_t offset, uint64_t size)
{
    const int descriptor = disk_file_descriptor(file);

    for (uint64_t at = size - 1;; at -= CACHED_PROBE_STEP) {
        if (!disk_byte_cached(descriptor, offset + at)) {
            return false;
        }
        if (at < CACHED_PROBE_STEP) {
            return true;
        }
    }
}

static const struct file_ops disk_file_ops = {
    .write = disk_file_write,
    .read = disk_file_read,
    .sync = disk_file_sync,
    .truncate = disk_file_truncate,
    .allocate = disk_file_allocate,
    .size = disk_open_file_size,
    .cached = disk_file_cached,
    .destroy = disk_file_destroy,
};

static enum status disk_open_path(struct disk *disk, const char *path, unsigned flags, struct file **file)
{
    const int mode = ((flags & FILE_WRITE) != 0 ? O_RDWR : O_RDONLY) | ((flags & FILE_CREATE) != 0 ? O_CREAT : 0) |
                     ((flags & FILE_EXCLUSIVE) != 0 ? O_EXCL : 0) | ((flags & FILE_TRUNCATE) != 0 ? O_TRUNC : 0) |
                     O_CLOEXEC;
    struct disk_file *disk_file;
    int descriptor;

    (void)disk;
    do {
        descriptor = open(path, mode, 0644);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) {
        return disk_last_error();
    }
    disk_file = memory_alloc(sizeof(*disk_file));
    *disk_file = (struct disk_file){.base = {.ops = &disk_file_ops, .references = 1}, .descriptor = descriptor};
    *file = &disk_file->base;
    return STATUS_OK;
}

static enum status disk_rename_path(struct disk *disk, const char *from, const char *to)
{
    (void)disk;
    return rename(from, to) == 0 ? STATUS_OK : disk_last_error();
}

static enum status disk_remove_path(struct disk *disk, const char *path)
{
    (void)disk;
    return unlink(path) == 0 ? STATUS_OK : disk_last_error();
}

static enum status disk_make_directory_path(struct disk *disk, const char *path)
{
    (void)disk;
    return mkdir(path, 0755) == 0 ? STATUS_OK : disk_last_error();
}

static enum status disk_remove_directory_path(struct disk *disk, const char *path)
{
    (void)disk;
    return rmdir(path) == 0 ? STATUS_OK : disk_last_error();
}

static enum status disk_sync_directory_path(struct disk *disk, const char *path)
{
    enum status status = STATUS_OK;
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)disk;
    if (descriptor < 0) {
        return disk_last_error();
    }
    while (status == STATUS_OK && fsync(descriptor) != 0) {
        if (errno != EINTR) {
            status = disk_last_error();
        }
    }
    (void)close(descriptor);
    return status;
}

static enum disk_kind disk_kind_of(DIR *directory, const struct dirent *entry)
{
    struct stat facts;

    if (entry->d_type == DT_REG) {
        return DISK_FILE;
    }
    if (entry->d_type == DT_DIR) {
        return DISK_DIRECTORY;
    }
    /* Some file systems do not tell the type here. */
    if (entry->d_type != DT_UNKNOWN || fstatat(dirfd(directory), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        return DISK_OTHER;
    }
    if (S_ISREG(facts.st_mode)) {
        return DISK_FILE;
    }
    return S_ISDIR(facts.st_mode) ? DISK_DIRECTORY : DISK_OTHER;
}

static enum status disk_list_path(struct disk *disk, const char *path,
                                  void (*entry)(void *context, const char *name, enum disk_kind kind), void *context)
{
    DIR *directory = opendir(path);
    enum status status = STATUS_OK;

    (void)disk;
    if (directory == NULL) {
        return disk_last_error();
    }
    for (;;) {
        const struct dirent *next;

        errno = 0;
        next = readdir(directory);
        if (next == NULL) {
            status = disk_last_error();
            break;
        }
        if (strcmp(next->d_name, ".") != 0 && strcmp(next->d_name, "..") != 0) {
            entry(context, next->d_name, disk_kind_of(directory, next));
        }
    }
    (void)closedir(directory);
    return status;
}

static enum status disk_file_size_path(struct disk *disk, const char *path, uint64_t *size)
{
    struct stat facts;

    (void)disk;
    if (stat(path, &facts) != 0) {
        return disk_last_error();
    }
    *size = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static enum status disk_space_path(struct disk *disk, const char *path, struct disk_space *space)
{
    struct statvfs facts;

    (void)disk;
    while (statvfs(path, &facts) != 0) {
        if (errno != EINTR) {
            return disk_last_error();
        }
    }
    *space = (struct disk_space){.total = (uint64_t)facts.f_blocks * facts.f_frsize,
                                 .usable = (uint64_t)facts.f_bavail * facts.f_frsize};
    return STATUS_OK;
}

/* A lock of the open file description: it excludes other openings in this process too, is not lost when an
 * unrelated descriptor of the file is closed, and conflicts with the record locks that Java's FileLock (so Kafka's
 * .lock) takes. */
static enum status disk_lock_path(struct disk *disk, const char *path, struct file **file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    enum status status = disk_open_path(disk, path, FILE_WRITE | FILE_CREATE, file);

    if (status != STATUS_OK) {
        return status;
    }
    if (fcntl(disk_file_descriptor(*file), F_OFD_SETLK, &lock) != 0) {
        status = errno == EAGAIN || errno == EACCES ? STATUS_LOCKED : disk_last_error();
        file_unref(*file);
        *file = NULL;
    }
    return status;
}

static enum status disk_sync_below_path(struct disk *disk, const char *path)
{
    enum status status = STATUS_OK;
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)disk;
    if (descriptor < 0) {
        return disk_last_error();
    }
    while (status == STATUS_OK && syncfs(descriptor) != 0) {
        if (errno != EINTR) {
            status = disk_last_error();
        }
    }
    (void)close(descriptor);
    return status;
}

/* The kernel that has the page cache, by its boot id, and the device: a disk that went to another machine and came
 * back met another kernel there, whose boot id was written down meanwhile if a node used it. */
static enum status disk_life_path(struct disk *disk, const char *path, char text[DISK_LIFE_MAX])
{
    char boot[BOOT_ID_MAX + 1];
    size_t size = 0;
    struct file *file;
    struct stat facts;
    enum status status = disk_open_path(disk, BOOT_ID_PATH, FILE_READ, &file);

    if (status != STATUS_OK) {
        return status;
    }
    status = disk_file_read(file, 0, boot, BOOT_ID_MAX, &size);
    file_unref(file);
    if (status != STATUS_OK) {
        return status;
    }
    while (size > 0 && boot[size - 1] <= ' ') {
        size--;
    }
    boot[size] = '\0';
    if (stat(path, &facts) != 0) {
        return disk_last_error();
    }
    if (size == 0) {
        return STATUS_UNSUPPORTED;
    }
    snprintf(text, DISK_LIFE_MAX, "%s/%llx", boot, (unsigned long long)facts.st_dev);
    return STATUS_OK;
}

const struct disk_ops runtime_disk_ops = {
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
