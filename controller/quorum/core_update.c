/* What comes out of a step of the library: its update as effects, in the order that its contract prescribes:
 *
 *     1. term and vote   before anything below leaves the process
 *     2. entries         an index that is not behind the last one truncates
 *     3. snapshot        forget the log, persist, restore, go on behind it
 *     4. messages        encoded at once, the library reuses their memory
 *     5. state           lost leadership fails what is in flight
 *     6. commit index    apply (core_settle)
 *
 * Messages may leave before the entries of the same update are durable: a leader counts itself only when its own write
 * is reported, a follower answers when its own is. */
#include "controller/quorum/core.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#define CORE_EFFECTS_MIN 32

struct core_effect *core_effect(struct core *core, enum core_effect_kind kind)
{
    struct core_effect *effect;

    if (core->effect_count == core->effect_capacity) {
        core->effect_capacity = core->effect_capacity == 0 ? CORE_EFFECTS_MIN : core->effect_capacity * 2;
        core->effects = memory_resize(core->effects, core->effect_capacity, sizeof(struct core_effect));
    }
    effect = &core->effects[core->effect_count++];
    *effect = (struct core_effect){.kind = kind};
    return effect;
}

void core_fail(struct core *core, const char *what)
{
    if (!core->failed) {
        core->failed = true;
        core_effect(core, CORE_FATAL)->what = what;
    }
}

struct raft_configuration core_configuration_decode(struct core *core, struct bytes encoded)
{
    struct raft_configuration configuration;
    struct raft_buffer buffer = {.base = (void *)(uintptr_t)encoded.data, .len = encoded.size};

    raft_configuration_init(&configuration);
    /* Whoever stored it has checked it: from a peer at the edge, from the disk while loading. */
    if (raft_configuration_decode(&buffer, &configuration) != 0) {
        core_fail(core, "a configuration does not decode");
    }
    return configuration;
}

static void core_update_hard_state(struct core *core)
{
    struct core_effect *effect;
    const uint64_t term = raft_current_term(&core->raft);
    const uint64_t vote = raft_voted_for(&core->raft);

    if (term == core->hard_term && vote == core->hard_vote) {
        return;
    }
    if (term < core->hard_term || (term == core->hard_term && core->hard_vote != 0)) {
        core_fail(core, "the term went back or a vote was changed");
        return;
    }
    if (term > EDGE_INDEX_MAX) {
        core_fail(core, "there are no more terms"); /* and the next start would not believe this one */
        return;
    }
    effect = core_effect(core, CORE_HARD_STATE);
    effect->ticket = ++core->ticket;
    effect->term = term;
    effect->vote = vote;
    core->hard_term = term;
    core->hard_vote = vote;
}

static void core_update_entries(struct core *core, const struct raft_update *update)
{
    const struct raft_entry *batch = update->entries.batch;
    const bool received = core->submitting == NULL || batch == &core->raft.barrier;

    if (update->entries.index <= core->applied_index || update->entries.index > log_last(&core->log) + 1) {
        core_fail(core, "the log would lose an applied entry or get a gap");
        return;
    }
    if (update->entries.index > EDGE_INDEX_MAX - update->entries.n) {
        core_fail(core, "there are no more indexes");
        return;
    }
    log_truncate(&core->log, update->entries.index);
    for (unsigned i = 0; i < update->entries.n; i++) {
        struct log_entry *entry =
            received ? log_entry_create(batch[i].term, (enum log_entry_kind)batch[i].type,
                                        bytes_of(batch[i].buf.base, batch[i].buf.len))
                     : log_entry_ref(core->submitting[i]);
        struct core_effect *effect = core_effect(core, CORE_APPEND);

        entry->ticket = ++core->ticket;
        effect->ticket = entry->ticket;
        effect->index = update->entries.index + i;
        effect->term = log_term(&core->log, effect->index - 1);
        effect->entry = log_entry_ref(entry);
        log_append(&core->log, entry);
    }
    if (batch == &core->raft.barrier) {
        core->own_index = update->entries.index;
    }
    if (received) {
        raft_free(batch[0].batch);
    }
}

static void core_update_snapshot(struct core *core, struct raft_update *update)
{
    struct raft_snapshot_metadata *metadata = &update->snapshot.metadata;

    ASSERT(core->incoming.complete);
    ASSERT(core->incoming.snapshot.index == metadata->index);
    log_reset(&core->log, metadata->index, metadata->term);
    raft_configuration_close(&metadata->configuration);
    raft_free(update->snapshot.chunk.base);
    core_effect(core, CORE_INSTALL)->index = metadata->index;
}

void core_send(struct core *core, int32_t peer, struct edge_message *message)
{
    struct core_effect *effect = core_effect(core, CORE_SEND);

    message->receiver = peer;
    message->sender_term = raft_current_term(&core->raft);
    effect->peer = peer;
    edge_encode(core->options.identity, message, &effect->frame);
}

/* Q8: as many frames as the bytes ask for, one behind the other. To a voter that lags behind large entries the library
 * would send everything it has at each heartbeat: there is an end to it. */
static void core_send_append(struct core *core, int32_t peer, const struct raft_append_entries *from)
{
    struct edge_entry *entries = memory_alloc_zero(from->n_entries, sizeof(struct edge_entry));
    uint64_t previous_index = from->prev_log_index;
    uint64_t previous_term = from->prev_log_term;
    unsigned left = from->n_entries;
    size_t total = 0;

    do {
        struct edge_message message = {.kind = EDGE_APPEND, .term = from->term};
        struct edge_append *append = &message.append;
        size_t bytes = 0;

        append->previous_index = previous_index;
        append->previous_term = previous_term;
        append->commit_index = from->leader_commit;
        append->entries = entries;
        while (append->count < left && append->count < EDGE_APPEND_COUNT_MAX && bytes < EDGE_APPEND_BYTES_MAX) {
            const struct log_entry *entry = log_get(&core->log, previous_index + 1 + append->count);

            ASSERT(entry != NULL);
            entries[append->count++] = (struct edge_entry){entry->term, entry->kind, log_entry_bytes(entry)};
            bytes += entry->size;
            previous_term = entry->term;
        }
        core_send(core, peer, &message);
        previous_index += append->count;
        left -= append->count;
        total += bytes;
    } while (left > 0 && total < EDGE_APPEND_TOTAL_MAX);
    memory_free(entries);
}

static void core_send_snapshot(struct core *core, int32_t peer, const struct raft_install_snapshot *from)
{
    struct core_effect *effect = core_effect(core, CORE_SEND_SNAPSHOT);

    effect->peer = peer;
    effect->index = from->last_index;
    effect->term = from->term;
}

static void core_update_message(struct core *core, const struct raft_message *from)
{
    const int32_t peer = core_node_id(from->server_id);
    struct edge_message message = {0};

    switch (from->type) {
    case RAFT_APPEND_ENTRIES:
        core_send_append(core, peer, &from->append_entries);
        return;
    case RAFT_INSTALL_SNAPSHOT:
        core_send_snapshot(core, peer, &from->install_snapshot);
        return;
    case RAFT_APPEND_ENTRIES_RESULT:
        message.kind = EDGE_APPEND_RESULT;
        message.term = from->append_entries_result.term;
        message.append_result.rejected = from->append_entries_result.rejected;
        message.append_result.last_index = from->append_entries_result.last_log_index;
        break;
    case RAFT_REQUEST_VOTE:
        message.kind = EDGE_VOTE;
        message.term = from->request_vote.term;
        message.vote.last_index = from->request_vote.last_log_index;
        message.vote.last_term = from->request_vote.last_log_term;
        message.vote.disrupt_leader = from->request_vote.disrupt_leader;
        message.vote.pre_vote = from->request_vote.pre_vote;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        message.kind = EDGE_VOTE_RESULT;
        message.term = from->request_vote_result.term;
        message.vote_result.granted = from->request_vote_result.vote_granted;
        message.vote_result.pre_vote = from->request_vote_result.pre_vote;
        break;
    case RAFT_TIMEOUT_NOW:
        message.kind = EDGE_TIMEOUT_NOW;
        message.term = from->timeout_now.term;
        message.timeout_now.last_index = from->timeout_now.last_log_index;
        message.timeout_now.last_term = from->timeout_now.last_log_term;
        break;
    }
    core_send(core, peer, &message);
}

/* What was in the log may still be committed by the next leader; what was not, was never proposed. */
static void core_fail_proposals(struct core *core)
{
    struct list *link;

    while ((link = list_take_first(&core->inflight)) != NULL) {
        core_finish(core, LIST_ENTRY(link, struct quorum_proposal, link), STATUS_UNKNOWN_OUTCOME);
    }
    while ((link = list_take_first(&core->commands)) != NULL) {
        core_finish(core, LIST_ENTRY(link, struct quorum_proposal, link), STATUS_NOT_LEADER);
    }
    while ((link = list_take_first(&core->barriers)) != NULL) {
        core_finish(core, LIST_ENTRY(link, struct quorum_proposal, link), STATUS_NOT_LEADER);
    }
}

static void core_update_state(struct core *core, bool entries_are_barrier)
{
    const bool leading = core->raft.state == RAFT_LEADER;

    if (core->leading && !leading) {
        core_fail_proposals(core);
        core->barrier_index = 0;
        core->own_index = 0;
    }
    if (leading && !core->leading && !entries_are_barrier) {
        core->own_index = 0;
    }
    core->leading = leading;
}

int core_step(struct core *core, struct raft_event *event)
{
    struct raft_update update;
    int error;

    memset(&update, 0, sizeof(update));
    event->time = core->now_ms;
    error = raft_step(&core->raft, event, &update);
    if (error != 0) {
        if (event->type != RAFT_SUBMIT && event->type != RAFT_TRANSFER) {
            core_fail(core, "the Raft library refused an event: its state may be half changed");
        }
        return error;
    }
    if ((update.flags & (RAFT_UPDATE_CURRENT_TERM)) != 0 || (update.flags & (RAFT_UPDATE_VOTED_FOR)) != 0) {
        core_update_hard_state(core);
    }
    if ((update.flags & (RAFT_UPDATE_ENTRIES)) != 0) {
        core_update_entries(core, &update);
    }
    if ((update.flags & (RAFT_UPDATE_SNAPSHOT)) != 0) {
        core_update_snapshot(core, &update);
    }
    if ((update.flags & (RAFT_UPDATE_MESSAGES)) != 0 && !core->mute && !core->failed) {
        for (unsigned i = 0; i < update.messages.n; i++) {
            core_update_message(core, &update.messages.batch[i]);
        }
    }
    if ((update.flags & (RAFT_UPDATE_STATE)) != 0) {
        core_update_state(core, (update.flags & (RAFT_UPDATE_ENTRIES)) != 0);
    }
    if (raft_commit_index(&core->raft) < core->commit_index) {
        core_fail(core, "the commit index moved backwards");
    } else if (raft_commit_index(&core->raft) > log_last(&core->log)) {
        core_fail(core, "the commit index is behind the end of the log");
    } else {
        core->commit_index = raft_commit_index(&core->raft);
    }
    return 0;
}

static void core_apply_configuration(struct core *core, uint64_t index, const struct log_entry *entry)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};

    event.configuration.index = index;
    event.configuration.conf = core_configuration_decode(core, log_entry_bytes(entry));
    core_step(core, &event);
}

/* The proposals whose entry is `index`: one command and any number of barriers. */
static void core_complete(struct core *core, uint64_t index, uint64_t term)
{
    while (!list_empty(&core->inflight)) {
        struct quorum_proposal *proposal = LIST_ENTRY(core->inflight.next, struct quorum_proposal, link);

        if (proposal->index > index) {
            break;
        }
        /* Leadership was not lost since, so what is in the log there is what was proposed. */
        ASSERT(proposal->index == index);
        ASSERT(proposal->term == term);
        list_remove(&proposal->link);
        core_finish(core, proposal, STATUS_OK);
    }
    if (core->barrier_index != 0 && core->barrier_index <= index) {
        core->barrier_index = 0;
    }
}

static void core_apply_next(struct core *core)
{
    const uint64_t index = ++core->applied_index;
    struct log_entry *entry = log_get(&core->log, index);

    ASSERT(entry != NULL);
    switch (entry->kind) {
    case LOG_COMMAND: {
        struct core_effect *effect = core_effect(core, CORE_APPLY);

        effect->index = index;
        effect->term = entry->term;
        effect->entry = log_entry_ref(entry);
        break;
    }
    case LOG_CONFIGURATION:
        core_apply_configuration(core, index, entry);
        break;
    case LOG_BARRIER:
        break;
    }
    core_complete(core, index, entry->term);
}

static void core_settle_role(struct core *core)
{
    const uint64_t term = raft_current_term(&core->raft);
    const bool ready = core->leading && core->own_index != 0 && core->applied_index >= core->own_index;
    struct core_effect *effect;
    int32_t leader_id;

    core->role_leader = core->role_leader && core->leading && core->role_term == term;
    leader_id = ready ? core->options.identity.id : core_leader_id(core);
    if (ready == core->role_leader && term == core->role_term && leader_id == core->role_leader_id) {
        return;
    }
    core->role_leader = ready;
    core->role_term = term;
    core->role_leader_id = leader_id;
    effect = core_effect(core, CORE_ROLE);
    effect->leader = ready;
    effect->term = term;
    effect->peer = leader_id;
}

void core_settle(struct core *core)
{
    bool again = true;

    while (again && !core->failed) {
        again = false;
        if (core->leading && core->own_index == 0) {
            /* Commits what earlier leaders left behind, and tells when this node may speak for all of it. */
            core_submit_barrier(core);
            core->own_index = core->barrier_index;
            again = core->own_index != 0;
        }
        while (!core->failed && !core->raft.snapshot.installing && core->applied_index < core->commit_index) {
            core_apply_next(core);
            again = true;
        }
    }
    if (!core->failed) {
        core_settle_role(core);
    }
}
