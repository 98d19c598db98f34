/* The log directories of a node.
 *
 *     DIR/.lock                             held while the node runs
 *     DIR/meta.properties                   version=1, cluster.id, node.id, directory.id
 *     DIR/.kafka_cleanshutdown              {"version":0,"brokerEpoch":N}; between a clean stop and the next start
 *     DIR/.millrace_life                    what a killed process has written is there
 *     DIR/.millrace_producers*              ... and it knew these producers
 *     DIR/recovery-point-offset-checkpoint  below these offsets partitions are synced
 *     DIR/log-start-offset-checkpoint       below these offsets records were deleted
 *     DIR/.millrace_checkpoint_owners       topics that these two speak of
 *     DIR/TOPIC-N/                          a partition
 *
 * A missing or damaged checkpoint costs time, never data: recovery then reads the whole log. */
#include "storage-node/cluster/directories.h"

#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/log/partition_log.h"
#include "storage-node/log/producer_journal.h"

#include <stdarg.h>
#include <stdio.h>

#define PROBLEM_MAX 512

/* A partition that lies, or was put, somewhere. */
struct place {
    char *name; /* TOPIC-N */
    uint16_t directory;
    bool found; /* it was there at the start */
    bool asked; /* the metadata knows it */
    int64_t recovery_point;
    int64_t log_start_offset;
    struct uuid owner; /* the topic that these are of; zero: whoever has the name */
    bool owned;        /* the file of owners knows */
};

struct directory {
    char *path;
    struct uuid id;
    struct file *lock;
    int64_t clean_epoch; /* -1: not a clean stop */
    bool clean;
    bool kept;  /* nothing that was written has been lost since */
    bool alive; /* the next start may say the same of what this process writes */
    bool failed;
    struct producer_journal *journal; /* NULL: nobody needs it, or none can be trusted */
    size_t partitions;
};

struct directories {
    struct disk *disk;
    struct directory *items;
    struct uuid *ids;
    size_t count;
    int32_t node_id;
    char *cluster_id;
    struct map places; /* by name */
};

static bool place_is(const void *value, const void *key)
{
    return string_equal(string_of(((const struct place *)value)->name), *(const struct string *)key);
}

static struct place *directories_find(const struct directories *directories, struct string name)
{
    return map_find(&directories->places, hash_string(name), place_is, &name);
}

static struct place *directories_add(struct directories *directories, struct string name, uint16_t directory)
{
    struct place *place = memory_alloc_zero(1, sizeof(*place));

    place->name = memory_copy_text(name.data, name.size);
    place->directory = directory;
    map_insert(&directories->places, hash_string(name), place);
    directories->items[directory].partitions++;
    return place;
}

/* Cut to the size, if paths are long. */
static void directories_say(char problem[PROBLEM_MAX], const char *format, ...) PRINTF_LIKE(2, 3);

static void directories_say(char problem[PROBLEM_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem, PROBLEM_MAX, format, arguments);
    va_end(arguments);
}

/* --- opening --- */

struct directory_scan {
    struct directories *directories;
    uint16_t index;
    const char *twice; /* a partition that lies in two directories */
};

static void directory_entry(void *context, const struct log_directory_entry *entry)
{
    struct directory_scan *scan = context;
    struct directories *directories = scan->directories;
    const struct string name = string_of(entry->name);

    if (entry->item == LOG_DIRECTORY_RETIRED) {
        char path[DISK_PATH_MAX];

        /* What is left of a partition that was deleted before the last stop. */
        snprintf(path, sizeof(path), "%s/%s", directories->items[scan->index].path, entry->name);
        (void)!partition_directory_remove(directories->disk, path);
    } else if (entry->item == LOG_DIRECTORY_PARTITION) {
        const struct place *there = directories_find(directories, name);

        if (there != NULL) {
            scan->twice = there->name;
        } else {
            directories_add(directories, name, scan->index)->found = true;
        }
    }
}

static struct place *directories_find_entry(const struct directories *directories, const struct checkpoint_entry *entry)
{
    char name[DISK_PATH_MAX];

    snprintf(name, sizeof(name), "%.*s-%d", STRING_ARGS(entry->topic), entry->partition);
    return directories_find(directories, string_of(name));
}

static void directory_recovery_point(void *context, const struct checkpoint_entry *entry)
{
    struct place *place = directories_find_entry(context, entry);

    if (place != NULL) {
        place->recovery_point = entry->offset;
    }
}

static void directory_start_offset(void *context, const struct checkpoint_entry *entry)
{
    struct place *place = directories_find_entry(context, entry);

    if (place != NULL) {
        place->log_start_offset = entry->offset;
    }
}

static void directory_owner(void *context, const struct checkpoint_entry *entry)
{
    struct place *place = directories_find_entry(context, entry);

    if (place != NULL) {
        place->owner = entry->owner;
        place->owned = true;
    }
}

/* Of offsets without an owner nobody knows whether they are of a topic that was deleted since. */
static void directory_drop_unowned(struct directories *directories, const struct directory *directory)
{
    struct place *place;
    size_t at = 0;

    while ((place = map_next(&directories->places, &at)) != NULL) {
        if (&directories->items[place->directory] == directory && !place->owned) {
            place->recovery_point = 0;
            place->log_start_offset = 0;
        }
    }
}

/* Damaged or missing: recovery reads more. */
static void directory_read_checkpoints(struct directories *directories, const struct directory *directory)
{
    char path[DISK_PATH_MAX];
    enum status status;

    snprintf(path, sizeof(path), "%s/%s", directory->path, CHECKPOINT_RECOVERY_POINT);
    (void)!checkpoint_read(directories->disk, path, directory_recovery_point, directories);
    snprintf(path, sizeof(path), "%s/%s", directory->path, CHECKPOINT_LOG_START);
    (void)!checkpoint_read(directories->disk, path, directory_start_offset, directories);
    snprintf(path, sizeof(path), "%s/%s", directory->path, CHECKPOINT_OWNERS);
    status = checkpoint_read_owners(directories->disk, path, directory_owner, directories);
    if (status != STATUS_NOT_FOUND) { /* else Kafka has written the others */
        directory_drop_unowned(directories, directory);
    }
}

static enum status directory_check_identity(struct directories *directories, struct directory *directory,
                                            const struct log_directory_meta *meta, struct string cluster_id,
                                            char problem[PROBLEM_MAX])
{
    const struct string known =
        directories->cluster_id != NULL ? string_of(directories->cluster_id) : cluster_id;

    if (meta->node_id != directories->node_id) {
        directories_say(problem, "%s belongs to node %d, this is node %d: check node.id and log.dirs", directory->path,
                 meta->node_id, directories->node_id);
        return STATUS_INVALID;
    }
    if (known.data != NULL && !string_equal(known, string_of(meta->cluster_id))) {
        directories_say(problem, "%s belongs to cluster %s, not %.*s: check cluster.id and log.dirs",
                 directory->path, meta->cluster_id, STRING_ARGS(known));
        return STATUS_INVALID;
    }
    for (size_t i = 0; &directories->items[i] != directory; i++) {
        if (!uuid_is_zero(meta->directory_id) && uuid_equal(directories->items[i].id, meta->directory_id)) {
            directories_say(problem,
                            "%s and %s have the same directory.id: one is a copy of the other, take it out of log.dirs",
                            directories->items[i].path, directory->path);
            return STATUS_INVALID;
        }
    }
    if (directories->cluster_id == NULL) {
        directories->cluster_id = memory_copy_text(meta->cluster_id, strlen(meta->cluster_id));
    }
    directory->id = meta->directory_id;
    return STATUS_OK;
}

static enum status directory_take(struct directories *directories, struct directory *directory,
                                  char problem[PROBLEM_MAX])
{
    enum status status = disk_make_directories(directories->disk, directory->path);

    if (status != STATUS_OK) {
        directories_say(problem, "cannot make log directory %s: %s", directory->path, status_text(status));
        return status;
    }
    status = log_directory_lock(directories->disk, directory->path, &directory->lock);
    if (status != STATUS_OK) {
        directories_say(problem, "cannot lock %s: %s; %s", directory->path, status_text(status),
                 status == STATUS_LOCKED ? "another node runs on this directory, stop it or change log.dirs"
                                         : "check the directory's owner and file system");
    }
    return status;
}

static enum status directory_open(struct directories *directories, uint16_t index,
                                  const struct directories_options *options,
                                  char problem[PROBLEM_MAX])
{
    struct directory *directory = &directories->items[index];
    struct directory_scan scan = {.directories = directories, .index = index};
    struct log_directory_meta meta;
    enum status status = directory_take(directories, directory, problem);

    if (status != STATUS_OK) {
        return status;
    }
    status = log_directory_meta_read(directories->disk, directory->path, &meta);
    if (status == STATUS_OK) {
        status = directory_check_identity(directories, directory, &meta, options->cluster_id, problem);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    } else {
        directories_say(problem, "%s/meta.properties cannot be used: %s", directory->path, status_text(status));
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (uuid_is_zero(directory->id)) {
        /* New, or from a Kafka that gave its directories no ids. */
        directory->id = uuid_random(options->random, options->random_context);
    }
    directory->clean =
        log_directory_clean_read(directories->disk, directory->path, &directory->clean_epoch) == STATUS_OK;
    status = log_directory_list(directories->disk, directory->path, directory_entry, &scan);
    if (status != STATUS_OK || scan.twice != NULL) {
        directories_say(problem, "cannot use %s: %s%s", directory->path,
                 scan.twice != NULL ? "it has a partition that another directory has too: " : status_text(status),
                 scan.twice != NULL ? scan.twice : "");
        return status != STATUS_OK ? status : STATUS_INVALID;
    }
    directory->kept = log_directory_life_goes_on(directories->disk, directory->path);
    directory_read_checkpoints(directories, directory);
    return STATUS_OK;
}

enum status directories_open(const struct directories_options *options, struct directories **out,
                             char problem[PROBLEM_MAX])
{
    struct directories *directories = memory_alloc_zero(1, sizeof(*directories));
    enum status status = STATUS_OK;

    ASSERT(options->count > 0);
    ASSERT(options->count <= DIRECTORIES_MAX);
    directories->disk = options->disk;
    directories->node_id = options->node_id;
    directories->count = options->count;
    directories->items = memory_alloc_zero(options->count, sizeof(*directories->items));
    directories->ids = memory_alloc_zero(options->count, sizeof(*directories->ids));
    map_init(&directories->places);
    for (size_t i = 0; i < options->count; i++) {
        directories->items[i].path = memory_copy_text(options->paths[i].data, options->paths[i].size);
        directories->items[i].clean_epoch = -1;
    }
    for (size_t i = 0; i < options->count && status == STATUS_OK; i++) {
        status = directory_open(directories, (uint16_t)i, options, problem);
        directories->ids[i] = directories->items[i].id;
    }
    if (status == STATUS_OK && directories->cluster_id == NULL && options->cluster_id.data != NULL) {
        directories->cluster_id = memory_copy_text(options->cluster_id.data, options->cluster_id.size);
    }
    if (status == STATUS_OK && directories->cluster_id != NULL) {
        status = directories_set_cluster_id(directories, string_of(directories->cluster_id));
        if (status != STATUS_OK) {
            directories_say(problem, "cannot write meta.properties: %s", status_text(status));
        }
    }
    if (status != STATUS_OK) {
        directories_close(directories);
        return status;
    }
    *out = directories;
    return STATUS_OK;
}

void directories_close(struct directories *directories)
{
    struct place *place;
    size_t at = 0;

    while ((place = map_next(&directories->places, &at)) != NULL) {
        memory_free(place->name);
        memory_free(place);
    }
    map_deinit(&directories->places);
    for (size_t i = 0; i < directories->count; i++) {
        file_unref(directories->items[i].lock);
        memory_free(directories->items[i].path);
        producer_journal_destroy(directories->items[i].journal);
    }
    memory_free(directories->items);
    memory_free(directories->ids);
    memory_free(directories->cluster_id);
    memory_free(directories);
}

/* --- identity --- */

struct string directories_cluster_id(const struct directories *directories)
{
    return string_of(directories->cluster_id);
}

enum status directories_set_cluster_id(struct directories *directories, struct string cluster_id)
{
    if (cluster_id.size > LOG_CLUSTER_ID_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < directories->count; i++) {
        struct log_directory_meta meta = {.node_id = directories->node_id, .directory_id = directories->items[i].id};
        struct log_directory_meta there;
        enum status status;

        memcpy(meta.cluster_id, cluster_id.data, cluster_id.size);
        if (log_directory_meta_read(directories->disk, directories->items[i].path, &there) == STATUS_OK &&
            uuid_equal(there.directory_id, meta.directory_id)) {
            continue;
        }
        status = log_directory_meta_write(directories->disk, directories->items[i].path, &meta);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (directories->cluster_id == NULL) {
        directories->cluster_id = memory_copy_text(cluster_id.data, cluster_id.size);
    }
    return STATUS_OK;
}

size_t directories_count(const struct directories *directories)
{
    return directories->count;
}

const char *directories_path(const struct directories *directories, size_t index)
{
    ASSERT(index < directories->count);
    return directories->items[index].path;
}

struct uuid directories_id(const struct directories *directories, size_t index)
{
    ASSERT(index < directories->count);
    return directories->items[index].id;
}

const struct uuid *directories_ids(const struct directories *directories)
{
    return directories->ids;
}

int64_t directories_clean_epoch(const struct directories *directories)
{
    int64_t epoch = directories->items[0].clean_epoch;

    for (size_t i = 0; i < directories->count; i++) {
        if (!directories->items[i].clean || directories->items[i].clean_epoch != epoch) {
            return -1;
        }
    }
    return epoch;
}

void directories_say_alive(struct directories *directories, size_t index)
{
    struct directory *directory = &directories->items[index];

    ASSERT(index < directories->count);
    if (!directory->alive && !directory->failed) {
        /* Else the next start reads more than it had to. */
        directory->alive = log_directory_life_write(directories->disk, directory->path) == STATUS_OK;
    }
}

/* After a power cut nobody knows whether what the journal speaks of is there. */
static enum status directory_begin_journal(struct directories *directories, struct directory *directory)
{
    if (!(directory->clean || directory->kept) ||
        producer_journal_load(directories->disk, directory->path, &directory->journal) != STATUS_OK) {
        return producer_journal_remove(directories->disk, directory->path);
    }
    return producer_journal_gather(directories->disk, directory->path, directory->journal);
}

void directories_drop_journal(struct directories *directories, size_t index)
{
    struct directory *directory = &directories->items[index];

    ASSERT(index < directories->count);
    producer_journal_destroy(directory->journal);
    directory->journal = NULL;
}

enum status directories_begin(struct directories *directories)
{
    for (size_t i = 0; i < directories->count; i++) {
        struct directory *directory = &directories->items[i];
        enum status status = log_directory_clean_remove(directories->disk, directory->path);

        if (status == STATUS_OK) {
            status = directory_begin_journal(directories, directory);
        }
        if (status != STATUS_OK) {
            return status;
        }
        directory->alive = directory->kept;
        if (directory->clean || directory->partitions == 0) {
            directories_say_alive(directories, i);
        }
    }
    return STATUS_OK;
}

bool directories_may_be_clean(const struct directories *directories, size_t index)
{
    const struct place *place;
    size_t at = 0;

    ASSERT(index < directories->count);
    if (directories->items[index].clean) {
        return true;
    }
    while ((place = map_next(&directories->places, &at)) != NULL) {
        if (place->directory == index && !place->asked) {
            return false;
        }
    }
    return true;
}

void directories_unasked(const struct directories *directories,
                         void (*each)(void *context, uint16_t directory, struct string topic, int32_t partition,
                                      struct uuid owner, int64_t recovery_point, int64_t log_start_offset),
                         void *context)
{
    const struct place *place;
    size_t at = 0;

    while ((place = map_next(&directories->places, &at)) != NULL) {
        struct log_directory_entry entry;

        if (!place->asked) {
            log_directory_entry_parse(place->name, &entry);
            each(context, place->directory, entry.topic, entry.partition, place->owner, place->recovery_point,
                 place->log_start_offset);
        }
    }
}

/* --- places --- */

static bool directories_choose(const struct directories *directories, uint16_t *index)
{
    bool found = false;

    for (size_t i = 0; i < directories->count; i++) {
        if (!directories->items[i].failed &&
            (!found || directories->items[i].partitions < directories->items[*index].partitions)) {
            *index = (uint16_t)i;
            found = true;
        }
    }
    return found;
}

bool directories_place(struct directories *directories, struct arena *arena, struct uuid topic_id, struct string topic,
                       int32_t partition, struct directory_place *out)
{
    const struct string name = arena_format(arena, "%.*s-%d", STRING_ARGS(topic), partition);
    struct place *place = directories_find(directories, name);
    uint16_t index = 0;

    *out = (struct directory_place){.exists = place != NULL};
    if (place == NULL) {
        if (!directories_choose(directories, &index)) {
            return false;
        }
        place = directories_add(directories, name, index);
    } else if (directories->items[place->directory].failed) {
        return false;
    }
    place->asked = true;
    out->directory = place->directory;
    out->path = arena_format(arena, "%s/%s", directories->items[place->directory].path, place->name).data;
    if (uuid_is_zero(place->owner) || uuid_equal(place->owner, topic_id)) {
        out->recovery_point = place->recovery_point;
        out->log_start_offset = place->log_start_offset;
    }
    out->clean = directories->items[place->directory].clean;
    out->kept = directories->items[place->directory].kept;
    return true;
}

void directories_find_producers(const struct directories *directories, struct arena *arena, struct uuid topic_id,
                                int32_t partition, struct directory_place *place)
{
    const struct producer_journal *journal = directories->items[place->directory].journal;
    struct producer_journal_entry found;
    struct producer_journal_entry *copy;

    if (journal != NULL && producer_journal_find(journal, topic_id, partition, &found)) {
        copy = arena_need(arena, 1, sizeof(*copy));
        *copy = found;
        producer_journal_entry_move(copy, arena_need(arena, producer_journal_entry_room(copy), 1));
        place->producers = copy;
    }
}

static struct place *directories_find_partition(const struct directories *directories, struct string topic,
                                               int32_t partition)
{
    char text[DISK_PATH_MAX];

    snprintf(text, sizeof(text), "%.*s-%d", STRING_ARGS(topic), partition);
    return directories_find(directories, string_of(text));
}

bool directories_found(const struct directories *directories, struct string topic, int32_t partition)
{
    const struct place *place = directories_find_partition(directories, topic, partition);

    return place != NULL && place->found;
}

void directories_forget(struct directories *directories, struct string topic, int32_t partition)
{
    struct place *place = directories_find_partition(directories, topic, partition);

    if (place != NULL) {
        map_remove(&directories->places, hash_string(string_of(place->name)), place);
        directories->items[place->directory].partitions--;
        memory_free(place->name);
        memory_free(place);
    }
}

bool directories_fail(struct directories *directories, size_t index)
{
    ASSERT(index < directories->count);
    if (directories->items[index].failed) {
        return false;
    }
    directories->items[index].failed = true;
    /* Who knows what the disk has dropped. */
    directories->items[index].alive = false;
    log_directory_life_forget(directories->disk, directories->items[index].path);
    return true;
}

bool directories_failed(const struct directories *directories, size_t index)
{
    ASSERT(index < directories->count);
    return directories->items[index].failed;
}

size_t directories_working(const struct directories *directories)
{
    size_t working = 0;

    for (size_t i = 0; i < directories->count; i++) {
        working += directories->items[i].failed ? 0 : 1;
    }
    return working;
}

void directories_strays(const struct directories *directories, void (*each)(void *context, const char *path),
                        void *context)
{
    const struct place *place;
    size_t at = 0;

    while ((place = map_next(&directories->places, &at)) != NULL) {
        if (place->found && !place->asked) {
            char path[DISK_PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", directories->items[place->directory].path, place->name);
            each(context, path);
        }
    }
}
