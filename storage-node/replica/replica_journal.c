/* The producer journals of a set's directories: entries are made on the loop during its care for partitions with recent
 * appends, a worker writes them. While a write is under way partitions wait for the next care. A file that has grown
 * too long is made anew from the partitions that are in it. */
#include "storage-node/replica/replica_set.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"
#include "storage-node/log/producer_journal.h"

#define GROWN_FACTOR 4

struct replica_journal {
    struct env_job job;
    struct replica_set *set;
    char *path; /* of the log directory */
    struct buffer entries;
    uint64_t size;   /* of the file */
    uint64_t in_use; /* its size when it was made anew */
    enum status status;
    uint16_t directory;
    bool busy;
};

static void journal_work(struct env_job *base)
{
    struct replica_journal *journal = CONTAINER_OF(base, struct replica_journal, job);

    journal->status = producer_journal_write(journal->set->env->disk, journal->path, journal->set->options.index,
                                             buffer_bytes(&journal->entries), &journal->size);
}

static void journal_done(struct env_job *base)
{
    struct replica_journal *journal = CONTAINER_OF(base, struct replica_journal, job);

    if (journal->status != STATUS_OK) {
        journal->size = 0; /* begins anew */
    }
    if (journal->in_use == 0) {
        journal->in_use = journal->size;
    }
    buffer_deinit(&journal->entries);
    journal->busy = false;
    journal->set->journaling--;
}

static struct replica_journal *journal_of(struct replica_set *set, const struct partition *partition)
{
    struct replica_journal *journal = set->journals[partition->directory];

    if (journal == NULL) {
        char *path = partition_log_copy_directory(partition->log);
        char *slash = strrchr(path, '/');

        journal = memory_alloc_zero(1, sizeof(*journal));
        journal->set = set;
        journal->directory = partition->directory;
        journal->job.work = journal_work;
        journal->job.done = journal_done;
        buffer_init(&journal->entries);
        ASSERT(slash != NULL);
        *slash = '\0';
        journal->path = path;
        set->journals[partition->directory] = journal;
    }
    return journal;
}

bool replica_journal_add(struct replica_set *set, struct partition *partition)
{
    struct replica_journal *journal;

    if (!partition_log_unsaved(partition->log)) {
        return true;
    }
    journal = journal_of(set, partition);
    if (!journal->busy) {
        partition_log_save_producers(partition->log, false, &journal->entries);
    }
    return !partition_log_unsaved(partition->log);
}

/* Adds all partitions of the directory that the file has something newer of than their snapshots. */
static void journal_renew(struct replica_set *set, struct replica_journal *journal)
{
    struct partition *partition;
    size_t at = 0;

    buffer_clear(&journal->entries);
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->state == PARTITION_ONLINE && partition->directory == journal->directory) {
            partition_log_save_producers(partition->log, true, &journal->entries);
        }
    }
    journal->size = 0;
    journal->in_use = 0;
}

void replica_journal_write(struct replica_set *set)
{
    for (size_t i = 0; i < REPLICA_DIRECTORIES_MAX; i++) {
        struct replica_journal *journal = set->journals[i];

        if (journal == NULL || journal->busy || journal->entries.size == 0) {
            continue;
        }
        if (journal->size > PRODUCER_JOURNAL_SIZE_MIN && journal->size > GROWN_FACTOR * journal->in_use) {
            journal_renew(set, journal);
        }
        journal->busy = true;
        set->journaling++;
        env_submit(set->env, ENV_LANE_BACKGROUND, &journal->job);
    }
}

static void journal_close(struct replica_journal *journal, bool sync)
{
    struct disk *disk = journal->set->env->disk;
    enum status status = STATUS_OK;

    if (journal->entries.size > 0) {
        journal_work(&journal->job);
        status = journal->status;
        buffer_deinit(&journal->entries);
    }
    if (status == STATUS_OK && sync) {
        status = producer_journal_sync(disk, journal->path, journal->set->options.index);
    }
    if (status != STATUS_OK) {
        trace_warn("producer_journal_failed", T_TEXT("path", journal->path), T_STATUS("why", status));
    }
}

void replica_journal_close(struct replica_set *set, bool sync)
{
    struct partition *partition;
    size_t at = 0;

    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->state == PARTITION_ONLINE && partition_log_ends_unsaved(partition->log)) {
            partition_log_save_end(partition->log, &journal_of(set, partition)->entries);
        }
    }
    for (size_t i = 0; i < REPLICA_DIRECTORIES_MAX; i++) {
        if (set->journals[i] != NULL) {
            journal_close(set->journals[i], sync);
        }
    }
}

void replica_journal_free(struct replica_set *set)
{
    for (size_t i = 0; i < REPLICA_DIRECTORIES_MAX; i++) {
        struct replica_journal *journal = set->journals[i];

        if (journal != NULL) {
            ASSERT(!journal->busy);
            buffer_deinit(&journal->entries);
            memory_free(journal->path);
            memory_free(journal);
        }
    }
}
