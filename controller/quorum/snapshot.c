/* Snapshot files: layout and promises are in snapshot.h. */
#include "controller/quorum/snapshot.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_HEADER_SIZE 64
#define SNAPSHOT_CHUNK_MAX ((size_t)1024 * 1024)
#define SNAPSHOT_CHUNK_HEADER 8
#define SNAPSHOT_FLAG_INSTALLED 1U
/* How many files are looked at; more than two only after crashes. */
#define SNAPSHOT_NAMES_MAX 64

static const uint8_t snapshot_magic[8] = {'M', 'L', 'S', 'N', 'A', 'P', 0, 1};

struct snapshot_job {
    struct env_job job;
    struct disk *disk;
    char *directory;
    uint32_t identity;
    struct snapshot *snapshot;
    uint64_t remove_index;
    enum status status;
    void (*done)(void *context, enum status status); /* NULL: abandoned */
    void *context;
};

struct snapshot *snapshot_create(struct core_snapshot *about, struct buffer *data, bool installed)
{
    struct snapshot *snapshot = memory_alloc_zero(1, sizeof(*snapshot));

    snapshot->references = 1;
    snapshot->installed = installed;
    snapshot->about = *about;
    snapshot->data = *data;
    snapshot->crc = crc32c(data->data, data->size);
    *about = (struct core_snapshot){0};
    buffer_init(data);
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    ASSERT(snapshot->references > 0);
    snapshot->references++;
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    ASSERT(snapshot->references > 0);
    if (--snapshot->references == 0) {
        core_snapshot_deinit(&snapshot->about);
        buffer_deinit(&snapshot->data);
        memory_free(snapshot);
    }
}

static void snapshot_path(const char *directory, uint64_t index, const char *suffix, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/snapshot-%020llu.snap%s", directory, (unsigned long long)index, suffix);
}

static enum status snapshot_write_header(struct file *file, uint32_t identity, const struct snapshot *snapshot,
                                         uint64_t *position)
{
    const struct core_snapshot *about = &snapshot->about;
    uint8_t header[SNAPSHOT_HEADER_SIZE] = {0};
    struct bytes parts[2];

    memcpy(header, snapshot_magic, sizeof(snapshot_magic));
    store_u32(header + 8, identity);
    store_u32(header + 12, snapshot->installed ? SNAPSHOT_FLAG_INSTALLED : 0);
    store_u64(header + 16, about->index);
    store_u64(header + 24, about->term);
    store_u64(header + 32, about->configuration_index);
    store_u64(header + 40, snapshot->data.size);
    store_u32(header + 48, (uint32_t)about->configuration.size);
    store_u32(header + 52, crc32c(about->configuration.data, about->configuration.size));
    store_u32(header + 60, crc32c(header, 60));
    parts[0] = bytes_of(header, sizeof(header));
    parts[1] = buffer_bytes(&about->configuration);
    *position = sizeof(header) + parts[1].size;
    return file_write(file, 0, parts, 2);
}

static enum status snapshot_write(struct file *file, uint32_t identity, const struct snapshot *snapshot)
{
    uint64_t position;
    enum status status = snapshot_write_header(file, identity, snapshot, &position);

    for (size_t at = 0; at < snapshot->data.size && status == STATUS_OK; at += SNAPSHOT_CHUNK_MAX) {
        const size_t left = snapshot->data.size - at;
        const size_t size = left < SNAPSHOT_CHUNK_MAX ? left : SNAPSHOT_CHUNK_MAX;
        uint8_t chunk[SNAPSHOT_CHUNK_HEADER];
        const struct bytes parts[2] = {{chunk, sizeof(chunk)}, {snapshot->data.data + at, size}};

        store_u32(chunk, (uint32_t)size);
        store_u32(chunk + 4, crc32c(snapshot->data.data + at, size));
        status = file_write(file, position, parts, 2);
        position += sizeof(chunk) + size;
    }
    return status == STATUS_OK ? file_sync(file) : status;
}

static void snapshot_work(struct env_job *env_job)
{
    struct snapshot_job *job = CONTAINER_OF(env_job, struct snapshot_job, job);
    char temporary[DISK_PATH_MAX];
    char path[DISK_PATH_MAX];
    struct file *file;

    snapshot_path(job->directory, job->snapshot->about.index, ".tmp", temporary);
    snapshot_path(job->directory, job->snapshot->about.index, "", path);
    job->status = disk_open(job->disk, temporary, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (job->status == STATUS_OK) {
        job->status = snapshot_write(file, job->identity, job->snapshot);
        file_unref(file);
    }
    if (job->status == STATUS_OK) {
        job->status = disk_rename(job->disk, temporary, path);
    }
    if (job->status == STATUS_OK) {
        job->status = disk_sync_directory(job->disk, job->directory);
    }
    if (job->status == STATUS_OK && job->remove_index != 0 && job->remove_index != job->snapshot->about.index) {
        snapshot_path(job->directory, job->remove_index, "", path);
        /* A leftover costs space, nothing else. */
        if (disk_remove(job->disk, path) != STATUS_OK) {
            return;
        }
    }
}

static void snapshot_work_done(struct env_job *env_job)
{
    struct snapshot_job *job = CONTAINER_OF(env_job, struct snapshot_job, job);
    void (*const done)(void *context, enum status status) = job->done;
    void *const context = job->context;
    const enum status status = job->status;

    snapshot_unref(job->snapshot);
    memory_free(job->directory);
    memory_free(job);
    if (done != NULL) {
        done(context, status);
    }
}

struct snapshot_job *snapshot_save(struct env *env, const char *directory, uint32_t identity, struct snapshot *snapshot,
                                   uint64_t remove_index, void (*done)(void *context, enum status status),
                                   void *context)
{
    struct snapshot_job *job = memory_alloc_zero(1, sizeof(*job));

    job->disk = env->disk;
    job->directory = memory_copy_text(directory, strlen(directory));
    job->identity = identity;
    job->snapshot = snapshot_ref(snapshot);
    job->remove_index = remove_index;
    job->done = done;
    job->context = context;
    job->job.work = snapshot_work;
    job->job.done = snapshot_work_done;
    env_submit(env, ENV_LANE_BACKGROUND, &job->job);
    return job;
}

void snapshot_save_abandon(struct snapshot_job *job)
{
    if (job != NULL) {
        job->done = NULL;
    }
}

/* Chunks from `at` on into `data`; false unless all of them verify and fill it exactly. */
static bool snapshot_parse_chunks(const uint8_t *at, const uint8_t *end, uint64_t data_size, struct buffer *data)
{
    while (data->size < data_size) {
        uint32_t size;

        if (end - at < SNAPSHOT_CHUNK_HEADER) {
            return false;
        }
        size = load_u32(at);
        if (size == 0 || size > SNAPSHOT_CHUNK_MAX || size > (size_t)(end - at) - SNAPSHOT_CHUNK_HEADER ||
            size > data_size - data->size || load_u32(at + 4) != crc32c(at + SNAPSHOT_CHUNK_HEADER, size)) {
            return false;
        }
        buffer_append(data, at + SNAPSHOT_CHUNK_HEADER, size);
        at += SNAPSHOT_CHUNK_HEADER + size;
    }
    return at == end;
}

/* NULL unless `file` is a whole snapshot of this index. */
static struct snapshot *snapshot_parse(struct bytes file, uint32_t identity, uint64_t index)
{
    const uint8_t *header = file.data;
    const uint8_t *end = file.data + file.size;
    struct core_snapshot about = {0};
    struct buffer data = {0};
    uint32_t configuration_size;
    bool installed;

    if (file.size < SNAPSHOT_HEADER_SIZE || memcmp(header, snapshot_magic, sizeof(snapshot_magic)) != 0 ||
        load_u32(header + 60) != crc32c(header, 60) || load_u32(header + 8) != identity ||
        load_u64(header + 16) != index || index == 0 || load_u64(header + 24) == 0) {
        return NULL;
    }
    configuration_size = load_u32(header + 48);
    if (configuration_size > EDGE_CONFIGURATION_BYTES_MAX || configuration_size > file.size - SNAPSHOT_HEADER_SIZE ||
        load_u32(header + 52) != crc32c(header + SNAPSHOT_HEADER_SIZE, configuration_size)) {
        return NULL;
    }
    if (!snapshot_parse_chunks(header + SNAPSHOT_HEADER_SIZE + configuration_size, end, load_u64(header + 40), &data)) {
        buffer_deinit(&data);
        return NULL;
    }
    installed = (load_u32(header + 12) & SNAPSHOT_FLAG_INSTALLED) != 0;
    about.index = index;
    about.term = load_u64(header + 24);
    about.configuration_index = load_u64(header + 32);
    buffer_append(&about.configuration, header + SNAPSHOT_HEADER_SIZE, configuration_size);
    return snapshot_create(&about, &data, installed);
}

struct snapshot_names {
    uint64_t indexes[SNAPSHOT_NAMES_MAX];
    size_t count;
    uint64_t unfinished[SNAPSHOT_NAMES_MAX];
    size_t unfinished_count;
};

static void snapshot_name(void *context, const char *name, enum disk_kind kind)
{
    struct snapshot_names *names = context;
    char expected[64];
    unsigned long long index;
    char *end;

    if (kind != DISK_FILE || strncmp(name, "snapshot-", 9) != 0) {
        return;
    }
    index = strtoull(name + 9, &end, 10);
    snprintf(expected, sizeof(expected), "snapshot-%020llu.snap", index);
    if (strcmp(name, expected) == 0 && names->count < SNAPSHOT_NAMES_MAX) {
        names->indexes[names->count++] = index;
    }
    snprintf(expected, sizeof(expected), "snapshot-%020llu.snap.tmp", index);
    if (strcmp(name, expected) == 0 && names->unfinished_count < SNAPSHOT_NAMES_MAX) {
        names->unfinished[names->unfinished_count++] = index;
    }
}

static int snapshot_compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left < right) - (left > right);
}

static enum status snapshot_read(struct disk *disk, const char *directory, uint32_t identity, size_t size_max,
                                 uint64_t index, struct snapshot **snapshot)
{
    char path[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status;

    *snapshot = NULL;
    snapshot_path(directory, index, "", path);
    /* Chunk headers and the rest of the file's own bytes are far below this. */
    status = disk_read_file(disk, path, size_max + size_max / 64 + SNAPSHOT_CHUNK_MAX, &data, &size);
    if (status == STATUS_TOO_LARGE) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        *snapshot = snapshot_parse(bytes_of(data, size), identity, index);
        memory_free(data);
    }
    return status;
}

enum status snapshot_load(struct disk *disk, const char *directory, uint32_t identity, size_t size_max,
                          struct snapshot **snapshot, uint64_t *older_index, int *damaged)
{
    struct snapshot_names names = {.count = 0};
    enum status status = disk_list(disk, directory, snapshot_name, &names);
    size_t i;

    *snapshot = NULL;
    *older_index = 0;
    *damaged = 0;
    for (i = 0; i < names.unfinished_count && status == STATUS_OK; i++) {
        char path[DISK_PATH_MAX];

        snapshot_path(directory, names.unfinished[i], ".tmp", path);
        status = disk_remove(disk, path);
    }
    qsort(names.indexes, names.count, sizeof(uint64_t), snapshot_compare);
    for (i = 0; i < names.count && status == STATUS_OK && *snapshot == NULL; i++) {
        status = snapshot_read(disk, directory, identity, size_max, names.indexes[i], snapshot);
        if (status == STATUS_OK && *snapshot == NULL) {
            (*damaged)++;
        }
    }
    if (status == STATUS_OK && *snapshot != NULL && i < names.count) {
        *older_index = names.indexes[i];
    }
    if (status != STATUS_OK) {
        snapshot_unref(*snapshot);
        *snapshot = NULL;
    }
    return status;
}
