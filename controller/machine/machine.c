/* Callbacks of the quorum, roles, and the life of the machine. */
#include "controller/machine/machine.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "common/trace/trace.h"
#include "controller/state/feature_table.h"

static void machine_fail(struct machine *machine, const char *what, enum status why)
{
    if (!machine->failed) {
        machine->failed = true;
        machine->handler->fatal(machine->context, what, why);
    }
}

static void wake_all(void *context)
{
    struct machine *machine = context;
    struct list woken;
    struct list *link;

    list_init(&woken);
    list_move_all(&woken, &machine->watches);
    while ((link = list_take_first(&woken)) != NULL) {
        struct machine_watch *watch = LIST_ENTRY(link, struct machine_watch, link);

        watch->wake(watch);
    }
}

void machine_wake_watches(struct machine *machine)
{
    env_at_turn_end(machine->env, &machine->watch_hook);
}

void machine_watch(struct machine *machine, struct machine_watch *watch)
{
    list_append(&machine->watches, &watch->link);
}

bool machine_apply(struct machine *machine, uint64_t index, uint64_t term, struct bytes entry)
{
    struct batch_header header;
    enum status status = batch_header_read(entry, &header);

    if (status != STATUS_OK) {
        machine_fail(machine, "the metadata log holds an entry that is not a record batch", STATUS_CORRUPT);
        return false;
    }
    if (header.base_offset != image_offset(machine->image) + 1 || header.partition_leader_epoch != (int32_t)term) {
        machine->passed_over_total++;
        trace_warn("batch_passed_over", T_UINT("index", index), T_UINT("term", term),
                   T_INT("offset", image_offset(machine->image) + 1), T_INT("decided_at", header.base_offset),
                   T_INT("decided_in", header.partition_leader_epoch));
        return false;
    }
    status = image_apply_batch(&machine->image, entry);
    if (status != STATUS_OK) {
        trace_error("metadata_replay_failed", T_UINT("index", index), T_INT("offset", header.base_offset),
                    T_STATUS("why", status));
        machine_fail(machine, "a batch of the metadata log cannot be replayed", status);
        return false;
    }
    metadata_log_append(&machine->log, entry, image_offset(machine->image) + 1, index);
    return true;
}

static void on_apply(void *context, uint64_t index, uint64_t term, struct bytes entry)
{
    struct machine *machine = context;
    struct machine_write *write;

    if (machine->failed) {
        return;
    }
    if (machine_apply(machine, index, term, entry)) {
        machine_wake_watches(machine);
        return;
    }
    /* Entries of this leader come back in the order they were proposed, each just before its proposal is done. */
    if (!list_empty(&machine->writes)) {
        write = LIST_ENTRY(machine->writes.next, struct machine_write, link);
        write->passed_over = machine->active;
    }
}

static void on_restore(void *context, uint64_t index, uint64_t term, struct bytes snapshot)
{
    struct machine *machine = context;
    const enum status status = snapshot_read(snapshot, &machine->image);

    (void)term;
    if (status != STATUS_OK) {
        machine_fail(machine, "the snapshot of the metadata cannot be replayed", status);
        return;
    }
    trace_info("metadata_restored", T_UINT("index", index), T_INT("offset", image_offset(machine->image)),
               T_UINT("topics", image_topic_count(machine->image)));
    metadata_log_reset(&machine->log, image_offset(machine->image) + 1);
    machine_wake_watches(machine);
}

static void on_snapshot(void *context, struct buffer *into)
{
    struct machine *machine = context;

    snapshot_write(machine->image, env_wall_ms(machine->env), into);
}

static void features_written(struct machine_write *write, enum status status)
{
    write->machine->feature_writing = false;
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        trace_warn("first_records_failed", T_STATUS("why", status));
    }
}

/* The first batch of a cluster: the levels of its features. */
static void write_features(struct machine *machine)
{
    struct arena arena;
    struct record_list records;
    struct decision decision;

    arena_init(&arena, SIZE_MAX / 2);
    machine_begin(machine, &arena, &records, &decision);
    feature_table_bootstrap(&decision);
    if (records.count > 0) {
        machine->feature_writing = true;
        machine->feature_write = (struct machine_write){.done = features_written};
        machine_propose(machine, &records, &machine->feature_write);
    }
    arena_deinit(&arena);
}

static void lead(void *context)
{
    struct machine *machine = context;

    if (!machine_is_active(machine)) {
        return;
    }
    sessions_restart(machine);
    if (!machine->feature_writing) {
        write_features(machine);
    }
}

static void orphan(void *context)
{
    struct machine *machine = context;

    machine->orphaned = true;
    machine_wake_watches(machine);
}

static void on_role(void *context, bool leader, uint64_t term, int32_t leader_id)
{
    struct machine *machine = context;
    const bool was_active = machine->active;

    if (leader_id != machine->leader_id || leader != was_active) {
        trace_info(leader ? "became_active_controller" : was_active ? "lost_active_controller" : "active_controller",
                   T_INT("leader", leader_id), T_UINT("term", term), T_INT("offset", image_offset(machine->image)));
    }
    machine->active = leader;
    machine->term = term;
    machine->leader_id = leader_id;
    if (was_active) {
        writes_abandon(machine);
        sessions_stop(machine);
    }
    if (leader) {
        env_at_turn_end(machine->env, &machine->lead_hook);
    }
    forwarder_aim(&machine->forwarder, leader ? QUORUM_ID_UNKNOWN : leader_id);
    if (leader_id != QUORUM_ID_UNKNOWN) {
        env_timer_stop(machine->env, &machine->orphan_timer);
        machine->orphaned = false;
    } else if (!machine->orphaned && !env_timer_active(&machine->orphan_timer)) {
        /* The leader was missed for one election timeout before that is known. */
        env_timer_start(machine->env, &machine->orphan_timer, machine->options.quorum.election_timeout_ms * NS_PER_MS);
    }
    if (machine->handler->role != NULL) {
        machine->handler->role(machine->context);
    }
}

static void on_fatal(void *context, const char *what, enum status why)
{
    machine_fail(context, what, why);
}

static const struct quorum_handler QUORUM_HANDLER = {
    .apply = on_apply,
    .restore = on_restore,
    .snapshot = on_snapshot,
    .role = on_role,
    .fatal = on_fatal,
};

static void machine_free(struct machine *machine)
{
    sessions_stop(machine);
    heartbeat_table_deinit(&machine->heartbeats);
    env_timer_stop(machine->env, &machine->orphan_timer);
    env_hook_cancel(&machine->lead_hook);
    env_hook_cancel(&machine->watch_hook);
    env_hook_cancel(&machine->refused_hook);
    snapshot_cache_deinit(&machine->snapshots);
    metadata_log_deinit(&machine->log);
    observers_deinit(&machine->observers);
    image_unref(machine->image);
    image_unref(machine->ahead);
    memory_free(machine);
}

enum status machine_create(struct env *env, const struct machine_options *options,
                           const struct machine_handler *handler, void *context, struct machine **out)
{
    struct machine *machine = memory_alloc_zero(1, sizeof(*machine));
    enum status status;

    *out = NULL;
    machine->env = env;
    machine->options = *options;
    machine->handler = handler;
    machine->context = context;
    machine->image = image_create();
    machine->leader_id = QUORUM_ID_UNKNOWN;
    list_init(&machine->watches);
    env_hook_init(&machine->lead_hook, lead, machine);
    env_hook_init(&machine->watch_hook, wake_all, machine);
    env_timer_init(&machine->orphan_timer, orphan, machine);
    writes_init(machine);
    sessions_init(machine);
    metadata_log_init(&machine->log, options->log_bytes_max);
    snapshot_cache_init(&machine->snapshots, env);
    observers_init(&machine->observers);
    forwarder_init(&machine->forwarder, env,
                   &(struct forwarder_options){.id = options->quorum.id,
                                               .voters = machine->options.quorum.voters,
                                               .voter_count = options->quorum.voter_count,
                                               .timeout_ms = options->forward_timeout_ms,
                                               .waiting_max = options->forwarded_max});
    status = quorum_create(env, &options->quorum, &QUORUM_HANDLER, machine, &machine->quorum);
    if (status == STATUS_OK && machine->failed) {
        /* The state did not load, although the log did. */
        quorum_destroy(machine->quorum);
        status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        machine_free(machine);
        return status;
    }
    if (machine->leader_id == QUORUM_ID_UNKNOWN) {
        env_timer_start(env, &machine->orphan_timer, 2 * options->quorum.election_timeout_ms * NS_PER_MS);
    }
    *out = machine;
    return STATUS_OK;
}

void machine_close(struct machine *machine, void (*closed)(void *context), void *context)
{
    struct quorum *quorum = machine->quorum;

    ASSERT(!machine->closing);
    machine->closing = true;
    machine->active = false;
    sessions_stop(machine);
    env_timer_stop(machine->env, &machine->orphan_timer);
    env_hook_cancel(&machine->lead_hook);
    machine->quorum = NULL;
    quorum_destroy(quorum);
    machine_wake_watches(machine);
    forwarder_close(&machine->forwarder, closed, context);
}

void machine_destroy(struct machine *machine)
{
    ASSERT(machine->closing);
    ASSERT(list_empty(&machine->writes));
    machine_free(machine);
}
