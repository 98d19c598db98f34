/* The small files of a log directory, and what lies in one: what is read and written again is read as the same.
 *
 *     byte 0   which (enum kind), and in what is left of it the call of the disk that fails: 0 none, 27 all
 *     then     the file; of KIND_DIRECTORY names, one a line; of KIND_JOURNAL a byte first: 1, entries' checksums are
 *              put right */
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/producer_snapshot.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"
#include "tests/support/fault_disk.h"

#include <stdio.h>

enum kind {
    KIND_CHECKPOINT,
    KIND_META,
    KIND_CLEAN,
    KIND_METADATA,
    KIND_EPOCHS,
    KIND_NAME,
    KIND_LIFE,
    KIND_DIRECTORY,
    KIND_JOURNAL,
    KIND_COUNT
};

#define FAIL_ALL 27

struct world {
    struct fuzz_loop loop;
    struct fault_disk faults;
    struct disk *disk; /* in front of both */
};

/* True if it is done; else the disk has failed. */
static bool done(const struct world *world, enum status status)
{
    ASSERT(status == STATUS_OK || world->faults.failed);
    return status == STATUS_OK;
}

static void each_entry(void *context, const struct checkpoint_entry *entry)
{
    ASSERT(entry->topic.size > 0 && entry->partition >= 0 && entry->offset >= 0);
    checkpoint_draft_add(context, entry);
}

static void each_owner(void *context, const struct checkpoint_entry *entry)
{
    ASSERT(entry->topic.size > 0 && entry->partition >= 0);
    checkpoint_draft_add_owner(context, entry);
}

/* What is read, written and read again is the same, of either kind of file. */
static void checkpoint(const struct world *world, bool owners)
{
    enum status (*const read)(struct disk *disk, const char *path,
                              void (*each)(void *context, const struct checkpoint_entry *entry), void *context) =
        owners ? checkpoint_read_owners : checkpoint_read;
    void (*const each)(void *context, const struct checkpoint_entry *entry) = owners ? each_owner : each_entry;
    struct checkpoint_draft first;
    struct checkpoint_draft second;
    enum status status;

    checkpoint_draft_init(&first);
    checkpoint_draft_init(&second);
    status = read(world->disk, "/d/file", each, &first);
    ASSERT(status == STATUS_OK || (first.count == 0 && (status == STATUS_CORRUPT || !done(world, status))));
    if (done(world, checkpoint_draft_write(&first, world->disk, "/d/again")) &&
        done(world, read(world->disk, "/d/again", each, &second))) {
        ASSERT(first.count == second.count && bytes_equal(buffer_bytes(&first.lines), buffer_bytes(&second.lines)));
    }
    checkpoint_draft_deinit(&first);
    checkpoint_draft_deinit(&second);
}

static void meta(const struct world *world)
{
    struct log_directory_meta meta;
    struct log_directory_meta again;
    const enum status status = log_directory_meta_read(world->disk, "/d", &meta);

    if (status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED || !done(world, status)) {
        return;
    }
    ASSERT(memchr(meta.cluster_id, 0, sizeof(meta.cluster_id)) != NULL && meta.node_id >= 0);
    if (done(world, log_directory_meta_write(world->disk, "/d", &meta)) &&
        done(world, log_directory_meta_read(world->disk, "/d", &again))) {
        ASSERT(strcmp(meta.cluster_id, again.cluster_id) == 0 && meta.node_id == again.node_id);
        ASSERT(uuid_equal(meta.directory_id, again.directory_id));
    }
}

static void clean(const struct world *world)
{
    int64_t epoch;
    int64_t again;
    enum status status = log_directory_clean_read(world->disk, "/d", &epoch);

    if (status != STATUS_CORRUPT && done(world, status) &&
        done(world, log_directory_clean_write(world->disk, "/d", epoch)) &&
        done(world, log_directory_clean_read(world->disk, "/d", &again))) {
        ASSERT(again == epoch);
    }
    if (done(world, log_directory_clean_remove(world->disk, "/d"))) {
        status = log_directory_clean_read(world->disk, "/d", &again);
        ASSERT(status == STATUS_NOT_FOUND || !done(world, status));
    }
}

static void metadata(const struct world *world)
{
    const struct uuid expected = {{1, 2, 3}};
    struct partition_identity judged;
    struct partition_identity found;
    struct partition_identity again;

    if (done(world, partition_metadata_read(world->disk, "/d/file", UUID_ZERO, &found)) &&
        (found.owner == OWNER_CLAIMED || found.owner == OWNER_PROVEN) &&
        done(world, partition_metadata_write(world->disk, "/d/file", found.topic_id)) &&
        done(world, partition_metadata_read(world->disk, "/d/file", UUID_ZERO, &again))) {
        ASSERT(again.owner == OWNER_PROVEN && !again.damaged && uuid_equal(found.topic_id, again.topic_id));
    }
    if (done(world, partition_metadata_read(world->disk, "/d/file", expected, &judged))) {
        ASSERT(judged.owner == OWNER_PROVEN || !judged.damaged);
    }
}

static bool says(struct bytes text, const char *words)
{
    return memmem(text.data, text.size, words, strlen(words)) != NULL;
}

/* Only the text of this very life says that it goes on: life-0 is what the disk in memory calls its first, life-1 the
 * one behind a power cut. */
static void life(struct world *world, struct bytes text)
{
    struct log_directory_meta meta;
    bool written;

    ASSERT(!log_directory_life_goes_on(world->disk, "/d") || says(text, "life-0"));
    written = done(world, log_directory_life_write(world->disk, "/d"));
    ASSERT(!written || log_directory_life_goes_on(world->disk, "/d") || world->faults.failed);
    memory_disk_crash(&world->loop.memory, MEMORY_CRASH_KEEPS);
    ASSERT(!log_directory_life_goes_on(world->disk, "/d") || (!written && says(text, "life-1")));
    if (done(world, log_directory_life_write(world->disk, "/d"))) {
        log_directory_life_forget(world->disk, "/d");
        ASSERT(!log_directory_life_goes_on(world->disk, "/d") || world->faults.failed);
    }
    ASSERT(log_directory_meta_read(world->disk, "/d", &meta) != STATUS_OK); /* there is none */
}

/* Our own file of an id, one byte of it changed, still tells the id, to who expects it and to who does not. */
static void metadata_damaged(const struct world *world, struct bytes input)
{
    struct buffer *contents;
    struct partition_identity found;
    struct uuid id = {{0}};
    struct bytes bytes;

    bytes = fuzz_take(&input, sizeof(id.data));
    if (bytes.size < sizeof(id.data) || !done(world, partition_metadata_replace(world->disk, "/d/own", id))) {
        return;
    }
    memcpy(id.data, bytes.data, bytes.size);
    if (!done(world, partition_metadata_write(world->disk, "/d/own", id))) {
        return;
    }
    contents = memory_disk_contents(&((struct world *)(uintptr_t)world)->loop.memory, "/d/own");
    contents->data[fuzz_byte(&input) % contents->size] ^= fuzz_byte(&input);
    for (int i = 0; i < 2; i++) {
        if (done(world, partition_metadata_read(world->disk, "/d/own", i == 0 ? UUID_ZERO : id, &found))) {
            ASSERT(found.owner == OWNER_PROVEN && uuid_equal(found.topic_id, id));
        }
    }
}

static void epochs(struct bytes text)
{
    struct epoch_cache cache;
    struct epoch_cache again;
    struct buffer first;
    struct buffer second;

    buffer_init(&first);
    buffer_init(&second);
    epoch_cache_init(&cache);
    epoch_cache_init(&again);
    if (epoch_cache_decode(text, &cache) != STATUS_OK) {
        ASSERT(cache.count == 0);
    }
    for (uint32_t i = 0; i < cache.count; i++) {
        struct epoch_start end;

        ASSERT(i == 0 || (cache.starts[i - 1].epoch < cache.starts[i].epoch &&
                          cache.starts[i - 1].offset <= cache.starts[i].offset));
        ASSERT(epoch_cache_end(&cache, cache.starts[i].epoch, INT64_MAX, &end));
        ASSERT(end.epoch == cache.starts[i].epoch && end.offset >= cache.starts[i].offset);
    }
    epoch_cache_encode(&cache, &first);
    ASSERT(epoch_cache_decode(buffer_bytes(&first), &again) == STATUS_OK);
    epoch_cache_encode(&again, &second);
    ASSERT(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    epoch_cache_deinit(&cache);
    epoch_cache_deinit(&again);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void each_name(void *context, const struct log_directory_entry *entry)
{
    size_t *count = context;

    (*count)++;
    if (entry->item == LOG_DIRECTORY_PARTITION) {
        ASSERT(entry->topic.size > 0 && entry->topic.size <= LOG_TOPIC_SIZE_MAX && entry->partition >= 0);
        ASSERT(memchr(entry->topic.data, '/', entry->topic.size) == NULL);
    }
}

static void name(struct bytes text)
{
    char *copy = memory_copy_text((const char *)text.data, text.size);
    struct log_directory_entry entry;
    size_t count = 0;

    log_directory_entry_parse(copy, &entry);
    each_name(&count, &entry);
    memory_free(copy);
}

/* A locked directory with names in it: every directory is told once, files are not. */
static void directory(struct world *world, struct bytes names)
{
    struct file *lock;
    struct file *second;
    size_t made = 0;
    size_t count = 0;
    enum status status;

    for (const uint8_t *end; (end = memchr(names.data, '\n', names.size)) != NULL;) {
        const struct bytes line = fuzz_take(&names, (size_t)(end - names.data));
        char path[DISK_PATH_MAX];

        (void)fuzz_byte(&names);
        if (line.size > 0 && line.size < 300 && memchr(line.data, 0, line.size) == NULL &&
            memchr(line.data, '/', line.size) == NULL) {
            snprintf(path, sizeof(path), "/d/%.*s", (int)line.size, (const char *)line.data);
            made += disk_make_directory(&world->loop.memory.disk, path) == STATUS_OK ? 1 : 0;
        }
    }
    if (!done(world, log_directory_lock(world->disk, "/d", &lock))) {
        return;
    }
    status = log_directory_lock(world->disk, "/d", &second);
    ASSERT(status == STATUS_LOCKED || (status != STATUS_OK && world->faults.failed));
    if (done(world, log_directory_list(world->disk, "/d", each_name, &count))) {
        ASSERT(count == made);
    }
    file_unref(lock);
    if (done(world, log_directory_lock(world->disk, "/d", &lock))) {
        file_unref(lock);
    }
}

/* --- the journal of producers and epochs --- */

#define JOURNAL_FRAME 8
#define JOURNAL_HEADER 92

static void repair_journal(struct buffer *text)
{
    size_t size;

    for (size_t at = 0; text->size - at >= JOURNAL_HEADER; at += JOURNAL_FRAME + size) {
        size = load_u32(text->data + at);
        if (size > text->size - at - JOURNAL_FRAME) {
            return;
        }
        store_u32(text->data + at + 4, crc32c(text->data + at + JOURNAL_FRAME, size));
    }
}

/* What the journal says of the log that the file's first entry names. */
static bool journal_entry_of(const struct producer_journal *journal, struct bytes text,
                             struct producer_journal_entry *entry)
{
    struct uuid topic_id;

    if (text.size < JOURNAL_HEADER) {
        return false;
    }
    memcpy(topic_id.data, text.data + JOURNAL_FRAME, sizeof(topic_id.data));
    return producer_journal_find(journal, topic_id, load_i32(text.data + 24), entry);
}

static void check_journal_entry(const struct producer_journal_entry *entry)
{
    struct epoch_cache epochs;
    struct producer_state state;

    ASSERT(entry->offset >= 0);
    ASSERT(entry->snapshot.data == entry->epochs.data + entry->epochs.size);
    epoch_cache_init(&epochs);
    if (epoch_cache_decode(entry->epochs, &epochs) != STATUS_OK) {
        ASSERT(epochs.count == 0);
    }
    epoch_cache_deinit(&epochs);
    producer_state_init(&state);
    if (producer_snapshot_decode(entry->snapshot, entry->offset, 1, &state) != STATUS_OK) {
        ASSERT(state.producers.count == 0);
    }
    producer_state_deinit(&state);
}

/* What is gathered says the same of a log as the files did, and nothing once it is removed. */
static void journal(struct world *world, struct bytes input)
{
    const bool repair = (fuzz_byte(&input) & 1) != 0;
    struct producer_journal *read;
    struct producer_journal *gathered;
    struct producer_journal_entry entry;
    struct producer_journal_entry again;
    struct buffer text;
    bool found;

    buffer_init(&text);
    buffer_append(&text, input.data, input.size);
    if (repair) {
        repair_journal(&text);
    }
    fuzz_loop_file(&world->loop, "/d/.millrace_producers-3", buffer_bytes(&text));
    if (done(world, producer_journal_load(world->disk, "/d", &read))) {
        found = journal_entry_of(read, buffer_bytes(&text), &entry);
        if (found) {
            check_journal_entry(&entry);
        }
        if (done(world, producer_journal_gather(world->disk, "/d", read)) &&
            done(world, producer_journal_load(world->disk, "/d", &gathered))) {
            ASSERT(journal_entry_of(gathered, buffer_bytes(&text), &again) == found || world->faults.failed);
            ASSERT(!found || world->faults.failed ||
                   (again.offset == entry.offset && again.epoch == entry.epoch &&
                    bytes_equal(again.epochs, entry.epochs) && bytes_equal(again.snapshot, entry.snapshot)));
            producer_journal_destroy(gathered);
        }
        producer_journal_destroy(read);
    }
    if (done(world, producer_journal_remove(world->disk, "/d")) &&
        done(world, producer_journal_load(world->disk, "/d", &read))) {
        ASSERT(!journal_entry_of(read, buffer_bytes(&text), &entry));
        producer_journal_destroy(read);
    }
    buffer_deinit(&text);
}

/* No path is longer than the system takes. */
static void long_path(struct world *world)
{
    struct log_directory_meta meta = {.node_id = 1};
    char path[DISK_PATH_MAX];
    struct file *lock;
    int64_t epoch;

    memset(path, 'd', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = 0;
    ASSERT(log_directory_lock(world->disk, path, &lock) == STATUS_TOO_LARGE);
    ASSERT(log_directory_meta_read(world->disk, path, &meta) != STATUS_OK);
    ASSERT(log_directory_meta_write(world->disk, path, &meta) == STATUS_TOO_LARGE);
    ASSERT(log_directory_clean_read(world->disk, path, &epoch) != STATUS_OK);
    ASSERT(log_directory_clean_write(world->disk, path, 1) == STATUS_TOO_LARGE);
    ASSERT(log_directory_clean_remove(world->disk, path) == STATUS_TOO_LARGE);
    ASSERT(!log_directory_life_goes_on(world->disk, path));
    ASSERT(log_directory_life_write(world->disk, path) != STATUS_OK);
    log_directory_life_forget(world->disk, path);
}

static void world_init(struct world *world, unsigned fail)
{
    fuzz_loop_init(&world->loop, NULL);
    ASSERT(disk_make_directories(&world->loop.memory.disk, "/d") == STATUS_OK);
    fault_disk_init(&world->faults, &world->loop.memory.disk);
    world->disk = &world->faults.disk;
    world->faults.fail_at = fail == FAIL_ALL ? 1 : fail;
    world->faults.fail_on = fail == FAIL_ALL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[KIND_COUNT] = {
        "/d/file", "/d/meta.properties", "/d/.kafka_cleanshutdown", "/d/file", "/d/file", "/d/file",
        "/d/.millrace_life", "/d/file", "/d/file"};
    struct bytes input = bytes_of(data, size);
    const uint8_t choice = fuzz_byte(&input);
    const unsigned kind = choice % KIND_COUNT;
    struct world world;

    world_init(&world, choice / KIND_COUNT);
    fuzz_loop_file(&world.loop, paths[kind], input);
    switch ((enum kind)kind) {
    case KIND_CHECKPOINT:
        checkpoint(&world, false);
        checkpoint(&world, true);
        break;
    case KIND_META:
        meta(&world);
        break;
    case KIND_CLEAN:
        clean(&world);
        break;
    case KIND_METADATA:
        metadata(&world);
        metadata_damaged(&world, input);
        break;
    case KIND_EPOCHS:
        epochs(input);
        break;
    case KIND_NAME:
        name(input);
        long_path(&world);
        break;
    case KIND_LIFE:
        life(&world, input);
        break;
    case KIND_DIRECTORY:
        directory(&world, input);
        break;
    case KIND_JOURNAL:
        journal(&world, input);
        break;
    case KIND_COUNT:
        break;
    }
    fuzz_loop_deinit(&world.loop);
    return 0;
}
