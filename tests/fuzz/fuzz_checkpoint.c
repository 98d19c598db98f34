/* The small files of a log directory: byte 0 chooses which. What is read and written again is read as the same. */
#include "common/base/memory.h"
#include "storage-node/log/checkpoint.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/log/partition_metadata.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

enum kind { KIND_CHECKPOINT, KIND_META, KIND_CLEAN, KIND_METADATA, KIND_EPOCHS, KIND_NAME, KIND_COUNT };

static void each_entry(void *context, const struct checkpoint_entry *entry)
{
    ASSERT(entry->topic.size > 0 && entry->partition >= 0 && entry->offset >= 0);
    checkpoint_draft_add(context, entry);
}

static void checkpoint(struct disk *disk)
{
    struct checkpoint_draft first;
    struct checkpoint_draft second;
    enum status status;

    checkpoint_draft_init(&first);
    checkpoint_draft_init(&second);
    status = checkpoint_read(disk, "/d/file", each_entry, &first);
    ASSERT(status == STATUS_OK || (status == STATUS_CORRUPT && first.count == 0));
    ASSERT(checkpoint_draft_write(&first, disk, "/d/again") == STATUS_OK);
    ASSERT(checkpoint_read(disk, "/d/again", each_entry, &second) == STATUS_OK);
    ASSERT(first.count == second.count && bytes_equal(buffer_bytes(&first.lines), buffer_bytes(&second.lines)));
    checkpoint_draft_deinit(&first);
    checkpoint_draft_deinit(&second);
}

static void meta(struct disk *disk)
{
    struct log_directory_meta meta;
    struct log_directory_meta again;
    const enum status status = log_directory_meta_read(disk, "/d", &meta);

    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
    if (status != STATUS_OK) {
        return;
    }
    ASSERT(memchr(meta.cluster_id, 0, sizeof(meta.cluster_id)) != NULL && meta.node_id >= 0);
    ASSERT(log_directory_meta_write(disk, "/d", &meta) == STATUS_OK);
    ASSERT(log_directory_meta_read(disk, "/d", &again) == STATUS_OK);
    ASSERT(strcmp(meta.cluster_id, again.cluster_id) == 0 && meta.node_id == again.node_id);
    ASSERT(uuid_equal(meta.directory_id, again.directory_id));
}

static void clean(struct disk *disk)
{
    int64_t epoch;
    int64_t again;
    const enum status status = log_directory_clean_read(disk, "/d", &epoch);

    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT);
    if (status == STATUS_OK) {
        ASSERT(log_directory_clean_write(disk, "/d", epoch) == STATUS_OK);
        ASSERT(log_directory_clean_read(disk, "/d", &again) == STATUS_OK && again == epoch);
    }
    ASSERT(log_directory_clean_remove(disk, "/d") == STATUS_OK);
    ASSERT(log_directory_clean_read(disk, "/d", &again) == STATUS_NOT_FOUND);
}

static void metadata(struct disk *disk)
{
    struct uuid id;
    struct uuid again;
    const enum status status = partition_metadata_read(disk, "/d/file", &id);

    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT);
    if (status == STATUS_OK) {
        ASSERT(partition_metadata_write(disk, "/d/file", id) == STATUS_OK);
        ASSERT(partition_metadata_read(disk, "/d/file", &again) == STATUS_OK && uuid_equal(id, again));
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

static void name(struct bytes text)
{
    char *copy = memory_copy_text((const char *)text.data, text.size);
    struct log_directory_entry entry;

    log_directory_entry_parse(copy, &entry);
    if (entry.item == LOG_DIRECTORY_PARTITION) {
        ASSERT(entry.topic.size > 0 && entry.topic.size <= LOG_TOPIC_SIZE_MAX && entry.partition >= 0);
        ASSERT(memchr(entry.topic.data, '/', entry.topic.size) == NULL);
    }
    memory_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[KIND_COUNT] = {"/d/file", "/d/meta.properties", "/d/.kafka_cleanshutdown", "/d/file",
                                                  "/d/file", "/d/file"};
    struct bytes input = bytes_of(data, size);
    const unsigned kind = fuzz_byte(&input) % KIND_COUNT;
    struct fuzz_loop loop;

    fuzz_loop_init(&loop, NULL);
    ASSERT(disk_make_directories(&loop.memory.disk, "/d") == STATUS_OK);
    fuzz_loop_file(&loop, paths[kind], input);
    switch (kind) {
    case KIND_CHECKPOINT:
        checkpoint(&loop.memory.disk);
        break;
    case KIND_META:
        meta(&loop.memory.disk);
        break;
    case KIND_CLEAN:
        clean(&loop.memory.disk);
        break;
    case KIND_METADATA:
        metadata(&loop.memory.disk);
        break;
    case KIND_EPOCHS:
        epochs(input);
        break;
    default:
        name(input);
        break;
    }
    fuzz_loop_deinit(&loop);
    return 0;
}
