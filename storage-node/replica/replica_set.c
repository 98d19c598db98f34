/* The partitions of one loop. */
#include "storage-node/replica/replica_set.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"
#include "storage-node/log/producer_journal.h"

/* A topic that was deleted and made anew finds its old directory still there until that one's last sync is back; if
 * that happened while the node was away, until the node has caught up with the metadata, which the controllers may take
 * their time for. */
#define OPEN_RETRY_NS (20 * NS_PER_MS)
#define OPEN_TRIES_SOON 250
#define OPEN_RETRY_LATER_NS NS_PER_SECOND
#define OPEN_TRIES_MAX (OPEN_TRIES_SOON + 600)
/* Partitions with recent appends are looked at this often: time-based rolls, interval flushes, files to remove. */
#define CARE_INTERVAL_NS NS_PER_SECOND

/* From so many logs on a stop makes the whole file system durable instead of each of their files. */
#define SYNC_ONE_BY_ONE_MAX 16

struct partition_key {
    struct uuid topic_id;
    int32_t index;
};

/* An open or remove job; owns its strings. */
struct replica_job {
    struct env_job job;
    struct disk *disk;
    struct replica_set *set;
    struct partition *partition; /* of an open */
    struct partition_log *log;
    struct partition_log_options options;
    char *path;
    char *topic;
    struct producer_journal_entry producers; /* its bytes are the next */
    uint8_t *entry;
    enum status status;
    enum env_lane lane;
    struct env_timer retry;
    int tries;
};

static void partition_free(struct replica_set *set, struct partition *partition);

static uint64_t directory_bit(uint16_t directory)
{
    ASSERT(directory < REPLICA_DIRECTORIES_MAX);
    return UINT64_C(1) << directory;
}

static uint64_t partition_hash(struct uuid topic_id, int32_t index)
{
    return hash_u64(hash_bytes(topic_id.data, sizeof(topic_id.data)) + (uint64_t)(uint32_t)index);
}

static bool partition_is(const void *value, const void *key)
{
    const struct partition *partition = value;
    const struct partition_key *wanted = key;

    return partition->index == wanted->index && uuid_equal(partition->topic->id, wanted->topic_id);
}

static bool topic_state_is(const void *value, const void *key)
{
    return uuid_equal(((const struct topic_state *)value)->id, *(const struct uuid *)key);
}

static void replica_set_flush(void *context)
{
    struct replica_set *set = context;
    struct list *link;

    while ((link = list_take_first(&set->dirty)) != NULL) {
        partition_flush(LIST_ENTRY(link, struct partition, dirty_link));
    }
}

static void replica_set_care_for(struct partition *partition, int64_t now_ms)
{
    if (partition->state != PARTITION_ONLINE) {
        return;
    }
    partition_log_maintain(partition->log, now_ms, partition->high_watermark);
    partition_advance(partition);
}

static void replica_set_care(void *context)
{
    struct replica_set *set = context;
    const int64_t now_ms = env_wall_ms(set->env);
    struct list *link = set->active.next;

    while (link != &set->active) {
        struct partition *partition = LIST_ENTRY(link, struct partition, active_link);

        link = link->next;
        replica_set_care_for(partition, now_ms);
        /* Nothing more to do soon: the rare check of all partitions is enough. */
        if (partition->state != PARTITION_ONLINE ||
            (replica_journal_add(set, partition) && partition_log_quiet(partition->log))) {
            list_remove(&partition->active_link);
        }
    }
    replica_journal_write(set);
    if (!list_empty(&set->active)) {
        env_timer_start(set->env, &set->care_timer, CARE_INTERVAL_NS);
    }
}

static void replica_set_activate(struct replica_set *set, struct partition *partition)
{
    if (!set->stopping && list_empty(&partition->active_link)) {
        list_append(&set->active, &partition->active_link);
        if (!env_timer_active(&set->care_timer)) {
            env_timer_start(set->env, &set->care_timer, CARE_INTERVAL_NS);
        }
    }
}

static void replica_set_check(void *context)
{
    struct replica_set *set = context;
    const int64_t now_ms = env_wall_ms(set->env);
    struct partition *partition;
    size_t at = 0;

    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        replica_set_care_for(partition, now_ms);
        if (partition->state == PARTITION_ONLINE && !partition_log_quiet(partition->log)) {
            replica_set_activate(set, partition);
        }
    }
    env_timer_start(set->env, &set->check_timer, set->options.check_interval_ns);
}

void replica_set_init(struct replica_set *set, const struct replica_set_options *options)
{
    *set = (struct replica_set){.options = *options, .env = options->env};
    set->files = file_cache_create(set->env->disk, options->files_open_max);
    map_init(&set->partitions);
    map_init(&set->topics);
    list_init(&set->dirty);
    list_init(&set->active);
    env_hook_init(&set->flush_hook, replica_set_flush, set);
    env_timer_init(&set->care_timer, replica_set_care, set);
    env_timer_init(&set->check_timer, replica_set_check, set);
    env_timer_start(set->env, &set->check_timer, options->check_interval_ns);
}

void replica_set_deinit(struct replica_set *set)
{
    struct partition *partition;
    size_t at = 0;

    ASSERT(set->stopping);
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->log != NULL) {
            partition_log_close(partition->log);
        }
        partition_free(set, partition);
    }
    env_hook_cancel(&set->flush_hook);
    env_timer_stop(set->env, &set->care_timer);
    env_timer_stop(set->env, &set->check_timer);
    map_deinit(&set->partitions);
    map_deinit(&set->topics);
    replica_journal_free(set);
    file_cache_destroy(set->files);
}

struct partition *replica_set_find(const struct replica_set *set, struct uuid topic_id, int32_t partition)
{
    const struct partition_key key = {topic_id, partition};

    return map_find(&set->partitions, partition_hash(topic_id, partition), partition_is, &key);
}

struct topic_state *replica_set_topic(const struct replica_set *set, struct uuid topic_id)
{
    return map_find(&set->topics, hash_bytes(topic_id.data, sizeof(topic_id.data)), topic_state_is, &topic_id);
}

static struct topic_state *replica_set_topic_acquire(struct replica_set *set, const struct replica_options *options)
{
    struct topic_state *topic = replica_set_topic(set, options->topic_id);

    if (topic == NULL) {
        topic = memory_alloc_zero(1, sizeof(*topic));
        topic->id = options->topic_id;
        topic->name = memory_copy_text(options->topic.data, options->topic.size);
        topic->config = *options->config;
        topic->log = *options->log;
        map_insert(&set->topics, hash_bytes(topic->id.data, sizeof(topic->id.data)), topic);
    }
    topic->references++;
    return topic;
}

static void replica_set_topic_release(struct replica_set *set, struct topic_state *topic)
{
    topic->references--;
    if (topic->references == 0) {
        map_remove(&set->topics, hash_bytes(topic->id.data, sizeof(topic->id.data)), topic);
        memory_free(topic->name);
        memory_free(topic);
    }
}

static void partition_free(struct replica_set *set, struct partition *partition)
{
    ASSERT(list_empty(&partition->appends));
    ASSERT(list_empty(&partition->loads));
    list_remove(&partition->dirty_link);
    list_remove(&partition->active_link);
    env_hook_cancel(&partition->close_hook);
    replica_set_topic_release(set, partition->topic);
    memory_free(partition);
}

static void replica_job_free(struct replica_job *job)
{
    memory_free(job->path);
    memory_free(job->topic);
    memory_free(job->entry);
    memory_free(job);
}

static void replica_remove_work(struct env_job *base)
{
    struct replica_job *job = CONTAINER_OF(base, struct replica_job, job);

    job->status = partition_directory_remove(job->disk, job->path);
}

static void replica_remove_done(struct env_job *base)
{
    struct replica_job *job = CONTAINER_OF(base, struct replica_job, job);

    if (job->status != STATUS_OK && job->status != STATUS_NOT_FOUND) {
        trace_warn("partition_remove_failed", T_TEXT("path", job->path), T_STATUS("why", job->status));
    }
    replica_job_free(job);
}

static enum status replica_set_retire(struct replica_set *set, const char *path, const char *ending,
                                      char renamed[DISK_PATH_MAX])
{
    struct uuid unique;
    uint64_t bits[2] = {env_random(set->env), env_random(set->env)};
    enum status status;

    memcpy(unique.data, bits, sizeof(unique.data));
    status = partition_directory_retire(set->env->disk, path, unique, ending, renamed);
    if (status != STATUS_OK && status != STATUS_NO_SPACE) {
        trace_warn("partition_retire_failed", T_TEXT("path", path), T_STATUS("why", status));
    }
    return status;
}

/* Renames the directory now, so that its name is free, and removes it on a worker. */
void replica_set_remove_directory(struct replica_set *set, const char *path)
{
    char renamed[DISK_PATH_MAX];
    struct replica_job *job;
    const enum status status = replica_set_retire(set, path, PARTITION_DIRECTORY_DELETE, renamed);

    if (status == STATUS_NO_SPACE) {
        /* The longer name needs another block of the directory above. It goes under its own name, which is not free
         * until then. */
        memcpy(renamed, path, strlen(path) + 1);
    } else if (status != STATUS_OK) {
        return;
    }
    job = memory_alloc_zero(1, sizeof(*job));
    job->path = memory_copy_text(renamed, strlen(renamed));
    job->disk = set->env->disk;
    job->job.work = replica_remove_work;
    job->job.done = replica_remove_done;
    env_submit(set->env, ENV_LANE_BACKGROUND, &job->job);
}

void replica_set_keep_directory(struct replica_set *set, const char *path)
{
    char renamed[DISK_PATH_MAX];

    if (replica_set_retire(set, path, PARTITION_DIRECTORY_STRAY, renamed) == STATUS_OK) {
        trace_warn("partition_set_aside", T_TEXT("path", path), T_TEXT("now", renamed),
                   T_TEXT("why", "it has records and does not say of which topic"),
                   T_TEXT("to_take_it_back", "stop the node, rename it back, write partition.metadata"));
    }
}

static void partition_log_failed(void *context, enum status status)
{
    struct partition *partition = context;

    partition->set->options.directory_failed(partition->set->options.context, partition->directory, status);
}

static void replica_open_work(struct env_job *base)
{
    struct replica_job *job = CONTAINER_OF(base, struct replica_job, job);

    job->status = partition_log_open(job->disk, &job->options, &job->log);
}

static void replica_open_again(void *context)
{
    struct replica_job *job = context;

    env_submit(job->set->env, job->lane, &job->job);
}

static void partition_take_log(struct partition *partition, struct partition_log *log)
{
    struct replica_set *set = partition->set;
    const int32_t epoch = partition->leader_epoch;

    partition->log = log;
    partition_log_attach(log, set->env, set->files, partition_log_failed, partition);
    partition_log_configure(log, &partition->topic->log);
    partition->state = PARTITION_ONLINE;
    partition->high_watermark = partition_log_written_end(log);
    partition->leader_epoch = partition_log_latest_epoch(log);
    partition_set_role(partition, partition->leader, epoch);
    partition_tell_loaded(partition);
}

/* Causes that pass by themselves: a full disk becomes less full. */
static bool replica_open_waits(enum status status)
{
    return status == STATUS_NO_SPACE || status == STATUS_NO_DESCRIPTORS;
}

static bool replica_open_may_succeed(const struct replica_job *job)
{
    return !job->set->stopping &&
           (replica_open_waits(job->status) || (job->status == STATUS_EXISTS && job->tries < OPEN_TRIES_MAX));
}

static void replica_open_later(struct replica_job *job)
{
    struct replica_set *set = job->set;
    const bool soon = job->status == STATUS_EXISTS && job->tries < OPEN_TRIES_SOON;

    if (job->tries == 0 && replica_open_waits(job->status)) {
        trace_warn("partition_open_waits", T_TEXT("path", job->path), T_STATUS("why", job->status));
    }
    job->tries++;
    if (job->status == STATUS_EXISTS) {
        /* The name is still another topic's: so is what the checkpoints said of it. */
        job->options.recovery_point = 0;
        job->options.log_start_offset = 0;
        job->options.clean = false;
        job->options.producers = NULL;
        job->partition->recovery_point = 0;
        job->partition->log_start_offset = 0;
        /* Nor is what a removal leaves of the other one ours, should it not say whose it was any more. */
        job->options.taken = true;
        /* Soon, but not at every of many tries: the node may not know yet which topics there are. */
        if (set->options.name_taken != NULL && (!soon || (job->tries & (job->tries - 1)) == 0)) {
            set->options.name_taken(set->options.context, job->path, !soon);
        }
    }
    set->loading++;
    env_timer_init(&job->retry, replica_open_again, job);
    env_timer_start(set->env, &job->retry, soon ? OPEN_RETRY_NS : OPEN_RETRY_LATER_NS);
}

static void replica_open_done(struct env_job *base)
{
    struct replica_job *job = CONTAINER_OF(base, struct replica_job, job);
    struct replica_set *set = job->set;
    struct partition *partition = job->partition;

    set->loading--;
    if (partition->state == PARTITION_CLOSING) {
        const bool remove = partition->remove;

        set->closing--;
        if (job->status == STATUS_OK) {
            partition_log_attach(job->log, set->env, set->files, partition_log_failed, partition);
            partition_log_close(job->log);
        }
        partition_free(set, partition);
        /* What lies there under another topic's id is not ours to remove. */
        if (remove && job->status != STATUS_EXISTS) {
            replica_set_remove_directory(set, job->path);
        }
        replica_job_free(job);
        return;
    }
    if (replica_open_may_succeed(job)) {
        replica_open_later(job);
        return;
    }
    if (job->status == STATUS_OK && (set->failed & directory_bit(partition->directory)) != 0) {
        /* The directory went out of service while the log was being opened. */
        partition_log_attach(job->log, set->env, set->files, partition_log_failed, partition);
        partition_log_close(job->log);
        job->status = STATUS_IO;
    }
    if (job->status == STATUS_OK) {
        partition_take_log(partition, job->log);
    } else {
        partition->state = PARTITION_OFFLINE;
        set->unclean |= directory_bit(partition->directory);
        partition_fail_waiters(partition, job->status);
    }
    set->options.opened(set->options.context, partition, job->status);
    replica_job_free(job);
}

static void replica_set_finish_closing(void *context)
{
    struct partition *partition = context;
    struct replica_set *set = partition->set;
    const bool remove = partition->remove && partition_log_made(partition->log);
    char *path = remove ? partition_log_copy_directory(partition->log) : NULL;

    if (!partition_log_idle(partition->log)) {
        /* It has failed and will say so at this turn's end, to us who must still be there. */
        memory_free(path);
        env_at_turn_end(set->env, &partition->close_hook);
        return;
    }
    set->closing--;
    partition_log_close(partition->log);
    partition_free(set, partition);
    if (remove) {
        replica_set_remove_directory(set, path);
        memory_free(path);
    }
}

static struct partition_log_options replica_log_options(struct replica_set *set, const struct replica_options *options)
{
    return (struct partition_log_options){
        .directory = options->path,
        .topic = options->topic,
        .topic_id = options->topic_id,
        .partition = options->partition,
        .config = *options->log,
        .recovery_point = options->recovery_point,
        .log_start_offset = options->log_start_offset,
        .clean = options->clean,
        .kept = options->kept,
        .taken = options->taken,
        .fresh = options->fresh,
        .now_ms = env_wall_ms(set->env),
    };
}

/* Opens on a worker. */
static void replica_set_submit(struct replica_set *set, struct partition *partition,
                               const struct replica_options *options)
{
    struct replica_job *job = memory_alloc_zero(1, sizeof(*job));

    job->set = set;
    job->disk = set->env->disk;
    job->partition = partition;
    job->path = memory_copy_text(options->path, strlen(options->path));
    job->topic = memory_copy_text(options->topic.data, options->topic.size);
    job->options = replica_log_options(set, options);
    job->options.directory = job->path;
    job->options.topic = string_of(job->topic);
    if (options->producers != NULL) {
        job->producers = *options->producers;
        job->entry = memory_alloc(producer_journal_entry_room(&job->producers));
        producer_journal_entry_move(&job->producers, job->entry);
        job->options.producers = &job->producers;
    }
    job->job.work = replica_open_work;
    job->job.done = replica_open_done;
    /* Those that will wait for the disk go where more threads do. */
    job->lane = options->kept && options->log->durability == DURABILITY_FSYNC ? ENV_LANE_SYNC : ENV_LANE_BACKGROUND;
    set->loading++;
    env_submit(set->env, job->lane, &job->job);
}

/* A partition that nothing lies on the disk of: there is nothing to wait for. */
static void replica_set_begin(struct replica_set *set, struct partition *partition,
                              const struct replica_options *options)
{
    const struct partition_log_options log_options = replica_log_options(set, options);
    struct partition_log *log;
    const enum status status = partition_log_open(set->env->disk, &log_options, &log);

    ASSERT(status == STATUS_OK);
    partition_take_log(partition, log);
    set->options.opened(set->options.context, partition, STATUS_OK);
}

void replica_set_open(struct replica_set *set, const struct replica_options *options)
{
    struct partition *partition = memory_alloc_zero(1, sizeof(*partition));

    partition->set = set;
    partition->topic = replica_set_topic_acquire(set, options);
    partition->index = options->partition;
    partition->leader = options->leader;
    partition->leader_epoch = options->leader_epoch;
    partition->directory = options->directory;
    partition->state = PARTITION_LOADING;
    list_init(&partition->dirty_link);
    list_init(&partition->active_link);
    list_init(&partition->appends);
    list_init(&partition->watches);
    list_init(&partition->loads);
    list_init(&partition->sync.link);
    env_hook_init(&partition->close_hook, replica_set_finish_closing, partition);
    partition->recovery_point = options->recovery_point;
    partition->log_start_offset = options->log_start_offset;
    map_insert(&set->partitions, partition_hash(options->topic_id, options->partition), partition);
    if (options->fresh) {
        replica_set_begin(set, partition, options);
    } else {
        replica_set_submit(set, partition, options);
    }
}

void replica_set_reopen(struct replica_set *set, struct partition *partition)
{
    char *path = partition_log_copy_directory(partition->log);
    const struct replica_options options = {
        .topic_id = partition->topic->id,
        .topic = string_of(partition->topic->name),
        .log = &partition->topic->log,
        .partition = partition->index,
        .path = path,
        .taken = true,
    };

    ASSERT(!partition_log_made(partition->log));
    ASSERT(list_empty(&partition->appends));
    partition_log_close(partition->log);
    partition->log = NULL;
    partition->state = PARTITION_LOADING;
    replica_set_submit(set, partition, &options);
    memory_free(path);
}

void replica_set_close(struct replica_set *set, struct partition *partition, bool remove)
{
    const bool loading = partition->state == PARTITION_LOADING;
    const bool removed =
        map_remove(&set->partitions, partition_hash(partition->topic->id, partition->index), partition);

    ASSERT(removed);
    partition->state = PARTITION_CLOSING;
    partition_fail_waiters(partition, STATUS_NOT_FOUND);
    partition->remove = remove;
    list_remove(&partition->active_link);
    list_remove(&partition->dirty_link);
    set->closing++;
    if (partition->syncing) {
        /* A full disk may have stopped the sync, and nobody would try it again. */
        partition_log_give_up(partition->log);
    }
    if (loading || partition->syncing) {
        return;
    }
    if (partition->log == NULL) {
        set->closing--;
        partition_free(set, partition);
        return;
    }
    replica_set_finish_closing(partition);
}

void replica_set_configure(struct replica_set *set, struct uuid topic_id, const struct topic_config *config,
                           const struct log_config *log)
{
    struct topic_state *topic = replica_set_topic(set, topic_id);
    struct partition *partition;
    size_t at = 0;

    if (topic == NULL) {
        return;
    }
    topic->config = *config;
    topic->log = *log;
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->topic == topic && partition->state == PARTITION_ONLINE) {
            partition_log_configure(partition->log, log);
            replica_set_activate(set, partition);
        }
    }
}

void replica_set_fail_directory(struct replica_set *set, uint16_t directory)
{
    struct partition *partition;
    size_t at = 0;

    set->failed |= directory_bit(directory);
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->directory == directory && partition->state == PARTITION_ONLINE) {
            partition->state = PARTITION_OFFLINE;
            partition_fail_waiters(partition, STATUS_IO);
        }
    }
}

void replica_set_stop(struct replica_set *set)
{
    struct partition *partition;
    size_t at = 0;

    set->stopping = true;
    env_timer_stop(set->env, &set->care_timer);
    env_timer_stop(set->env, &set->check_timer);
    replica_set_flush(set);
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        partition_fail_waiters(partition, STATUS_CLOSED);
    }
}

bool replica_set_settled(const struct replica_set *set)
{
    const struct partition *partition;
    size_t at = 0;

    if (set->loading > 0 || set->closing > 0 || set->journaling > 0) {
        return false;
    }
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        /* A sync that a roll has started has nobody who waits for it, but the log cannot leave the loop before its
         * end. */
        if (partition->log != NULL &&
            (!partition_log_idle(partition->log) || partition_log_syncing(partition->log))) {
            return false;
        }
    }
    return true;
}

void replica_set_detach(struct replica_set *set)
{
    struct partition *partition;
    size_t at = 0;

    ASSERT(replica_set_settled(set));
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        if (partition->log != NULL) {
            partition_log_detach(partition->log);
        }
    }
}

static void replica_set_shut(struct replica_set *set, struct partition *partition, bool sync)
{
    const enum status status = partition_log_shutdown(partition->log, sync);

    if (status != STATUS_OK) {
        set->unclean |= directory_bit(partition->directory);
        trace_error("partition_shutdown_failed", T_TEXT("topic", partition->topic->name),
                    T_INT("partition", partition->index), T_STATUS("why", status));
    }
}

/* One call makes durable what lies around this partition: true once that has been done for its log directory. */
static bool replica_set_sync_around(struct replica_set *set, const struct partition *partition, uint64_t *synced)
{
    const uint64_t bit = directory_bit(partition->directory);

    if ((*synced & bit) == 0 && (set->unclean & bit) == 0) {
        const enum status status = partition_log_sync_around(partition->log);

        if (status != STATUS_OK) {
            set->unclean |= bit;
            trace_error("directory_sync_failed", T_UINT("directory", partition->directory), T_STATUS("why", status));
        } else {
            *synced |= bit;
        }
    }
    return (*synced & bit) != 0;
}

void replica_set_shutdown(struct replica_set *set)
{
    struct partition *partition;
    uint64_t synced = 0;
    size_t unsettled = 0;
    size_t at = 0;
    bool one_by_one;

    ASSERT(set->stopping);
    while ((partition = map_next(&set->partitions, &at)) != NULL) {
        unsettled += partition->state == PARTITION_ONLINE && partition_log_unsettled(partition->log) ? 1 : 0;
    }
    one_by_one = unsettled <= SYNC_ONE_BY_ONE_MAX;
    replica_journal_close(set, one_by_one);
    for (at = 0; (partition = map_next(&set->partitions, &at)) != NULL;) {
        if (partition->state == PARTITION_ONLINE) {
            replica_set_shut(set, partition, one_by_one);
        }
    }
    for (at = 0; (partition = map_next(&set->partitions, &at)) != NULL;) {
        if (partition->state == PARTITION_ONLINE && partition_log_unsettled(partition->log) &&
            replica_set_sync_around(set, partition, &synced)) {
            partition_log_settle(partition->log);
        }
    }
}

bool replica_set_left_clean(const struct replica_set *set, uint16_t directory)
{
    return ((set->failed | set->unclean) & directory_bit(directory)) == 0;
}

void replica_set_mark_dirty(struct replica_set *set, struct partition *partition)
{
    list_append(&set->dirty, &partition->dirty_link);
    env_at_turn_end(set->env, &set->flush_hook);
    replica_set_activate(set, partition);
}
