/* Events of the quorum's core: judged by the edge, stepped through the library, settled. See core.h; what comes out of
 * a step is core_update.c's. */
#include "controller/quorum/core.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/memory.h"

#include <stdio.h>

#define CORE_INSTALL_TIMEOUT_MS 10000
/* An entry costs more than its bytes. */
#define CORE_ENTRY_OVERHEAD 64

/* Messages of the newest shape that the library knows. */
#define CORE_VOTE_VERSION 2
#define CORE_VOTE_RESULT_VERSION 2
#define CORE_APPEND_RESULT_VERSION 2

static void core_trace(struct raft_tracer *tracer, int type, const void *info)
{
    (void)tracer;
    (void)type;
    (void)info;
}

static void core_address(int32_t id, char text[16])
{
    snprintf(text, 16, "%d", (int)id);
}

void core_init(struct core *core, const struct core_options *options)
{
    char address[16];

    *core = (struct core){.options = *options, .role_leader_id = QUORUM_ID_UNKNOWN};
    log_init(&core->log);
    list_init(&core->commands);
    list_init(&core->barriers);
    list_init(&core->inflight);
    list_init(&core->finished);
    core_address(options->identity.id, address);
    if (raft_init(&core->raft, NULL, NULL, core_raft_id(options->identity.id), address) != 0) {
        UNREACHABLE();
    }
    /* The library's own tracer looks at the process environment. */
    core->tracer = (struct raft_tracer){.version = 2, .emit = core_trace};
    core->raft.tracer = &core->tracer;
    raft_seed(&core->raft, options->seed);
    raft_set_election_timeout(&core->raft, options->election_timeout_ms);
    raft_set_heartbeat_timeout(&core->raft, options->heartbeat_ms);
    raft_set_install_snapshot_timeout(&core->raft, CORE_INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(&core->raft, true);
    raft_set_max_inflight_entries(&core->raft, options->inflight_entries_max);
}

static void core_effect_deinit(struct core_effect *effect)
{
    log_entry_unref(effect->entry);
    buffer_deinit(&effect->frame);
}

static void core_incoming_clear(struct core_incoming *incoming)
{
    core_snapshot_deinit(&incoming->snapshot);
    buffer_deinit(&incoming->data);
    *incoming = (struct core_incoming){0};
}

void core_deinit(struct core *core)
{
    for (size_t i = 0; i < core->effect_count; i++) {
        core_effect_deinit(&core->effects[i]);
    }
    memory_free(core->effects);
    raft_close(&core->raft, NULL);
    core_incoming_clear(&core->incoming);
    log_deinit(&core->log);
}

void core_snapshot_deinit(struct core_snapshot *snapshot)
{
    buffer_deinit(&snapshot->configuration);
}

static void core_close_list(struct core *core, struct list *head)
{
    struct list *link;

    while ((link = list_take_first(head)) != NULL) {
        core_finish(core, LIST_ENTRY(link, struct quorum_proposal, link), STATUS_CLOSED);
    }
}

void core_close(struct core *core)
{
    core->failed = true;
    core_close_list(core, &core->finished);
    core_close_list(core, &core->inflight);
    core_close_list(core, &core->commands);
    core_close_list(core, &core->barriers);
}

/* True if the core can take an event; sets its time, which never goes back. */
static bool core_enter(struct core *core, uint64_t now_ms)
{
    if (now_ms > core->now_ms) {
        core->now_ms = now_ms;
    }
    return core->started && !core->failed;
}

/* The configuration is the same on every voter, because only the ids are in it: where they listen is each node's own
 * configuration and may change. */
static struct log_entry *core_first_entry(const struct core *core)
{
    struct raft_configuration configuration;
    struct raft_buffer encoded;
    struct log_entry *entry;
    int error = 0;

    raft_configuration_init(&configuration);
    for (int i = 0; i < core->options.voter_count; i++) {
        char address[16];

        core_address(core->options.voters[i], address);
        error |= raft_configuration_add(&configuration, core_raft_id(core->options.voters[i]), address, RAFT_VOTER);
    }
    error |= raft_configuration_encode(&configuration, &encoded);
    ASSERT(error == 0);
    entry = log_entry_create(1, LOG_CONFIGURATION, bytes_of(encoded.base, encoded.len));
    raft_free(encoded.base);
    raft_configuration_close(&configuration);
    return entry;
}

static void core_hard_state(struct core *core, uint64_t term, uint64_t vote)
{
    struct core_effect *effect = core_effect(core, CORE_HARD_STATE);

    effect->ticket = ++core->ticket;
    effect->term = term;
    effect->vote = vote;
    core->hard_term = term;
    core->hard_vote = vote;
}

void core_prepare(struct core *core, uint64_t term, uint64_t vote, struct log *log, bool has_snapshot)
{
    ASSERT(!core->started);
    log_deinit(&core->log);
    core->log = *log;
    log_init(log);
    core->hard_term = term;
    core->hard_vote = vote;
    if (!has_snapshot && log_last(&core->log) == 0) {
        struct log_entry *entry = core_first_entry(core);
        struct core_effect *effect;

        if (term == 0) {
            core_hard_state(core, 1, 0);
        }
        effect = core_effect(core, CORE_APPEND);
        effect->ticket = ++core->ticket;
        effect->index = 1;
        effect->entry = log_entry_ref(entry);
        log_append(&core->log, entry);
    }
    if (!core_has_peers(core)) {
        /* The library lets a sole voter lead without an election; a term of its own makes two lives of it tell
         * apart. */
        core_hard_state(core, core->hard_term + 1, core_raft_id(core->options.identity.id));
    }
}

void core_start(struct core *core, uint64_t now_ms, const struct core_snapshot *snapshot)
{
    const size_t count = core->log.count;
    struct raft_entry *entries = memory_alloc_zero(count, sizeof(struct raft_entry));
    struct raft_snapshot_metadata metadata = {0};
    struct raft_event event = {.type = RAFT_START};

    core->started = true;
    core_enter(core, now_ms);
    for (size_t i = 0; i < count; i++) {
        struct log_entry *entry = log_get(&core->log, core->log.base + 1 + i);

        entries[i].term = entry->term;
        entries[i].type = (enum raft_entry_type)entry->kind;
        entries[i].buf = (struct raft_buffer){.base = entry->data, .len = entry->size};
        entries[i].batch = core;
    }
    if (snapshot != NULL) {
        metadata.index = snapshot->index;
        metadata.term = snapshot->term;
        metadata.configuration_index = snapshot->configuration_index;
        metadata.configuration = core_configuration_decode(core, buffer_bytes(&snapshot->configuration));
        event.start.metadata = &metadata;
        core->applied_index = snapshot->index;
    }
    event.start.term = core->hard_term;
    event.start.voted_for = core->hard_vote;
    event.start.start_index = core->log.base + 1;
    event.start.entries = entries;
    event.start.n_entries = (unsigned)count;
    if (!core->failed) {
        core_step(core, &event);
        core_settle(core);
    }
    memory_free(entries);
}

static struct edge_view core_view(const struct core *core, int32_t sender, uint64_t chunk_index)
{
    const struct raft *raft = &core->raft;

    return (struct edge_view){
        .role = raft->state == RAFT_LEADER      ? EDGE_LEADER
                : raft->state == RAFT_CANDIDATE ? EDGE_CANDIDATE
                                                : EDGE_FOLLOWER,
        .term = raft_current_term(raft),
        .commit_index = raft_commit_index(raft),
        .commit_term = log_term(&core->log, raft_commit_index(raft)),
        .match_index = core_match_index(core, sender),
        .snapshot_index = core->log.snapshot_index,
        .chunk_term = log_term(&core->log, chunk_index),
        .log_empty = log_last(&core->log) == 0,
        .installing = raft->snapshot.installing,
        .saving = core->saving,
    };
}

static void core_answer_stale(struct core *core, int32_t sender)
{
    struct edge_message answer = {
        .kind = EDGE_APPEND_RESULT,
        .stale = true,
        .term = raft_current_term(&core->raft),
        .append_result = {.rejected = 1, .last_index = 0},
    };

    core_send(core, sender, &answer);
}

static int core_feed(struct core *core, struct raft_message *message, int32_t sender)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    char address[16];

    core_address(sender, address);
    message->server_id = core_raft_id(sender);
    message->server_address = address;
    event.receive.message = message;
    return core_step(core, &event);
}

/* One AppendEntries, in as many pieces as rule Q2 asks for. */
static void core_receive_append(struct core *core, const struct edge_message *message)
{
    const struct edge_append *append = &message->append;
    struct raft_entry *entries = memory_alloc_zero(append->count, sizeof(struct raft_entry));
    uint64_t previous_term = append->previous_term;
    uint32_t at = 0;

    do {
        const uint32_t count = edge_piece(&core->options.rules, append, at);
        struct raft_message piece = {.type = RAFT_APPEND_ENTRIES};
        /* The library frees the batch or hands it back; the bytes themselves are the frame's. */
        void *batch = count > 0 ? raft_malloc(1) : NULL;

        for (uint32_t i = 0; i < count; i++) {
            const struct edge_entry *entry = &append->entries[at + i];

            entries[i].term = entry->term;
            entries[i].type = (enum raft_entry_type)entry->kind;
            entries[i].buf = (struct raft_buffer){.base = (void *)(uintptr_t)entry->data.data, .len = entry->data.size};
            entries[i].batch = batch;
        }
        piece.append_entries = (struct raft_append_entries){
            .term = message->term,
            .prev_log_index = append->previous_index + at,
            .prev_log_term = previous_term,
            .leader_commit = append->commit_index,
            .entries = entries,
            .n_entries = count,
        };
        core_feed(core, &piece, message->sender);
        at += count;
        previous_term = at > 0 ? append->entries[at - 1].term : previous_term;
    } while (at < append->count && !core->failed);
    memory_free(entries);
}

/* A static voter set: whoever sends another one is misconfigured. */
static bool core_append_is_ours(const struct core *core, const struct edge_append *append)
{
    for (uint32_t i = 0; i < append->count; i++) {
        const struct edge_entry *entry = &append->entries[i];

        if (entry->kind == LOG_CONFIGURATION &&
            !edge_configuration_is(entry->data, core->options.voters, core->options.voter_count)) {
            return false;
        }
    }
    return true;
}

static void core_deliver_snapshot(struct core *core)
{
    struct core_incoming *incoming = &core->incoming;
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT};

    incoming->held = false;
    message.install_snapshot = (struct raft_install_snapshot){
        .term = incoming->term,
        .last_index = incoming->snapshot.index,
        .last_term = incoming->snapshot.term,
        .conf_index = incoming->snapshot.configuration_index,
        .conf = core_configuration_decode(core, buffer_bytes(&incoming->snapshot.configuration)),
        /* Stands for the data, which stays in `incoming`. */
        .data = {.base = raft_malloc(1), .len = 1},
    };
    if (!core->failed) {
        core_feed(core, &message, incoming->sender);
    }
    if (!core->raft.snapshot.installing) {
        core_incoming_clear(incoming);
    }
}

static bool core_chunk_begin(struct core *core, const struct edge_message *message)
{
    const struct edge_chunk *chunk = &message->chunk;
    struct core_incoming *incoming = &core->incoming;

    core_incoming_clear(incoming);
    if (!edge_configuration_is(chunk->configuration, core->options.voters, core->options.voter_count)) {
        return false;
    }
    incoming->sender = message->sender;
    incoming->term = message->term;
    incoming->crc = chunk->crc;
    incoming->total = chunk->total;
    incoming->snapshot.index = chunk->last_index;
    incoming->snapshot.term = chunk->last_term;
    incoming->snapshot.configuration_index = chunk->configuration_index;
    buffer_append(&incoming->snapshot.configuration, chunk->configuration.data, chunk->configuration.size);
    return true;
}

/* Chunks come in order on one connection; one that does not fit the others starts over or is dropped. */
static void core_receive_chunk(struct core *core, const struct edge_message *message, bool hold)
{
    const struct edge_chunk *chunk = &message->chunk;
    struct core_incoming *incoming = &core->incoming;

    if (incoming->complete) {
        return; /* one is held or on its way to the disk */
    }
    if (chunk->offset == 0 && !core_chunk_begin(core, message)) {
        return;
    }
    if (incoming->snapshot.index != chunk->last_index || incoming->snapshot.term != chunk->last_term ||
        incoming->sender != message->sender || incoming->term != message->term || incoming->crc != chunk->crc ||
        incoming->total != chunk->total || incoming->data.size != chunk->offset) {
        core_incoming_clear(incoming);
        return;
    }
    buffer_append(&incoming->data, chunk->data.data, chunk->data.size);
    if (incoming->data.size < incoming->total) {
        return;
    }
    if (crc32c(incoming->data.data, incoming->data.size) != incoming->crc) {
        core_incoming_clear(incoming);
        return;
    }
    incoming->complete = true;
    if (hold) {
        incoming->held = true;
        return;
    }
    core_deliver_snapshot(core);
}

/* Q4: a request for a vote in the peer's term that nobody with a log grants: the term is taken over, and written. */
static void core_adopt_term(struct core *core, const struct edge_message *message)
{
    struct raft_message request = {.type = RAFT_REQUEST_VOTE};

    request.request_vote = (struct raft_request_vote){
        .version = CORE_VOTE_VERSION,
        .term = message->sender_term,
        .candidate_id = core_raft_id(message->sender),
    };
    core->mute = true;
    core_feed(core, &request, message->sender);
    core->mute = false;
}

static void core_receive_other(struct core *core, const struct edge_message *message)
{
    struct raft_message raft = {0};

    switch (message->kind) {
    case EDGE_APPEND_RESULT:
        raft.type = RAFT_APPEND_ENTRIES_RESULT;
        raft.append_entries_result = (struct raft_append_entries_result){
            .version = CORE_APPEND_RESULT_VERSION,
            .term = message->term,
            .rejected = message->append_result.rejected,
            .last_log_index = message->append_result.last_index,
        };
        break;
    case EDGE_VOTE:
        raft.type = RAFT_REQUEST_VOTE;
        raft.request_vote = (struct raft_request_vote){
            .version = CORE_VOTE_VERSION,
            .term = message->term,
            .candidate_id = core_raft_id(message->sender),
            .last_log_index = message->vote.last_index,
            .last_log_term = message->vote.last_term,
            .disrupt_leader = message->vote.disrupt_leader,
            .pre_vote = message->vote.pre_vote,
        };
        break;
    case EDGE_VOTE_RESULT:
        raft.type = RAFT_REQUEST_VOTE_RESULT;
        raft.request_vote_result = (struct raft_request_vote_result){
            .version = CORE_VOTE_RESULT_VERSION,
            .term = message->term,
            .vote_granted = message->vote_result.granted,
            .pre_vote = message->vote_result.pre_vote,
        };
        break;
    case EDGE_TIMEOUT_NOW:
        raft.type = RAFT_TIMEOUT_NOW;
        raft.timeout_now = (struct raft_timeout_now){
            .term = message->term,
            .last_log_index = message->timeout_now.last_index,
            .last_log_term = message->timeout_now.last_term,
        };
        break;
    case EDGE_APPEND:
    case EDGE_SNAPSHOT_CHUNK:
        UNREACHABLE();
    }
    core_feed(core, &raft, message->sender);
}

static bool core_is_voter(const struct core *core, int32_t id)
{
    for (int i = 0; i < core->options.voter_count; i++) {
        if (core->options.voters[i] == id) {
            return true;
        }
    }
    return false;
}

void core_receive(struct core *core, uint64_t now_ms, struct edge_message *message)
{
    const uint64_t chunk_index = message->kind == EDGE_SNAPSHOT_CHUNK ? message->chunk.last_index : 0;
    const struct edge_view view = core_view(core, message->sender, chunk_index);
    enum edge_verdict verdict;

    if (!core_enter(core, now_ms) || !core_is_voter(core, message->sender)) {
        return;
    }
    if (message->kind == EDGE_APPEND && !core_append_is_ours(core, &message->append)) {
        return;
    }
    verdict = edge_judge(&core->options.rules, &view, message);
    switch (verdict) {
    case EDGE_DROP:
        return;
    case EDGE_REPLY_STALE:
        core_answer_stale(core, message->sender);
        return;
    case EDGE_ADOPT_TERM:
        core_adopt_term(core, message);
        break;
    case EDGE_BROKEN:
        core_fail(core, "the leader contradicts a committed entry");
        return;
    case EDGE_DELIVER:
    case EDGE_HOLD:
        if (message->kind == EDGE_APPEND) {
            core_receive_append(core, message);
        } else if (message->kind == EDGE_SNAPSHOT_CHUNK) {
            core_receive_chunk(core, message, verdict == EDGE_HOLD);
        } else {
            core_receive_other(core, message);
        }
        break;
    }
    core_settle(core);
}

void core_timeout(struct core *core, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};

    if (core_enter(core, now_ms)) {
        core_step(core, &event);
        core_settle(core);
    }
}

void core_durable(struct core *core, uint64_t now_ms, uint64_t ticket)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    const struct log_entry *entry;
    uint64_t index;

    if (!core_enter(core, now_ms) || core->raft.snapshot.installing) {
        return;
    }
    /* Tickets ascend with the index: an entry that was replaced has the ticket of the write that replaced it. */
    index = core->raft.last_stored;
    while ((entry = log_get(&core->log, index + 1)) != NULL && entry->ticket <= ticket) {
        index++;
    }
    if (index > core->raft.last_stored) {
        event.persisted_entries.index = index;
        core_step(core, &event);
        core_settle(core);
    }
}

void core_installed(struct core *core, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    const struct core_snapshot *snapshot = &core->incoming.snapshot;

    if (!core_enter(core, now_ms)) {
        return;
    }
    ASSERT(core->raft.snapshot.installing);
    event.persisted_snapshot.metadata = (struct raft_snapshot_metadata){
        .index = snapshot->index,
        .term = snapshot->term,
        .configuration_index = snapshot->configuration_index,
        .configuration = core_configuration_decode(core, buffer_bytes(&snapshot->configuration)),
    };
    event.persisted_snapshot.last = true;
    if (core->failed) {
        return;
    }
    core->applied_index = snapshot->index;
    core_incoming_clear(&core->incoming);
    core_effect(core, CORE_RESTORE);
    core_step(core, &event);
    core_settle(core);
}

bool core_snapshot_begin(struct core *core, uint64_t keep_after, struct core_snapshot *snapshot)
{
    struct raft_buffer encoded;
    const struct raft *raft = &core->raft;

    /* Q9: the log entries that a snapshot covers are durable before it is. */
    if (!core->started || core->failed || core->saving || raft->snapshot.installing ||
        core->applied_index > raft->last_stored || core->applied_index <= core->log.snapshot_index ||
        core->applied_index != raft_commit_index(raft)) {
        return false;
    }
    if (raft_configuration_encode(&raft->configuration_committed, &encoded) != 0) {
        return false;
    }
    *snapshot = (struct core_snapshot){
        .index = core->applied_index,
        .term = log_term(&core->log, core->applied_index),
        .configuration_index = raft->configuration_committed_index,
    };
    ASSERT(snapshot->term > 0);
    buffer_append(&snapshot->configuration, encoded.base, encoded.len);
    raft_free(encoded.base);
    core->saving = true;
    core->saving_index = snapshot->index;
    core->saving_keep = keep_after > core->log.base ? keep_after : core->log.base;
    return true;
}

void core_snapshot_saved(struct core *core, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    const uint64_t index = core->saving_index;
    struct raft_buffer encoded;

    if (!core_enter(core, now_ms)) {
        return;
    }
    ASSERT(core->saving);
    core->saving = false;
    if (core->raft.snapshot.installing || core->log.snapshot_index >= index) {
        return; /* an installed snapshot overtook ours: only without Q7 */
    }
    if (raft_configuration_encode(&core->raft.configuration_committed, &encoded) != 0) {
        core_fail(core, "out of memory");
        return;
    }
    event.snapshot.metadata = (struct raft_snapshot_metadata){
        .index = index,
        .term = log_term(&core->log, index),
        .configuration_index = core->raft.configuration_committed_index,
        .configuration = core_configuration_decode(core, bytes_of(encoded.base, encoded.len)),
    };
    raft_free(encoded.base);
    event.snapshot.trailing = (unsigned)(index - core->saving_keep);
    log_compact(&core->log, index, log_term(&core->log, index), core->saving_keep);
    core_step(core, &event);
    if (core->incoming.held && !core->failed) {
        const struct edge_view view = core_view(core, core->incoming.sender, 0);

        if (core->incoming.term >= view.term && view.role != EDGE_LEADER) {
            core_deliver_snapshot(core);
        } else {
            core_incoming_clear(&core->incoming);
        }
    }
    core_settle(core);
}

void core_step_down(struct core *core, uint64_t now_ms)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT};
    int32_t peer = core->options.voters[0];

    if (!core_enter(core, now_ms) || core->raft.state != RAFT_LEADER || !core_has_peers(core)) {
        return;
    }
    if (peer == core->options.identity.id) {
        peer = core->options.voters[1];
    }
    /* Any node may raise its term at any time; an answer from the next term is the library's way to hear of it. */
    message.append_entries_result = (struct raft_append_entries_result){
        .version = CORE_APPEND_RESULT_VERSION,
        .term = raft_current_term(&core->raft) + 1,
        .rejected = 1,
    };
    core_feed(core, &message, peer);
    core_settle(core);
}

void core_resign(struct core *core, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_TRANSFER};

    if (core_enter(core, now_ms) && core->raft.state == RAFT_LEADER && core_has_peers(core) &&
        raft_transferee(&core->raft) == 0) {
        /* It may find nobody to hand over to: then nothing happens. */
        (void)core_step(core, &event);
        core_settle(core);
    }
}

uint64_t core_deadline_ms(const struct core *core)
{
    return raft_timeout(&core->raft);
}

uint64_t core_match_index(const struct core *core, int32_t id)
{
    raft_index index = 0;

    if (raft_match_index(&core->raft, core_raft_id(id), &index) != 0) {
        return 0;
    }
    return index;
}

int32_t core_leader_id(const struct core *core)
{
    raft_id id = 0;

    if (core->raft.state == RAFT_LEADER) {
        return core->role_leader ? core->options.identity.id : QUORUM_ID_UNKNOWN;
    }
    if (core->raft.state == RAFT_FOLLOWER) {
        id = core->raft.follower_state.current_leader.id;
    }
    return id == 0 ? QUORUM_ID_UNKNOWN : core_node_id(id);
}

static size_t core_proposal_cost(const struct quorum_proposal *proposal)
{
    return proposal->entry->size + CORE_ENTRY_OVERHEAD;
}

void core_propose(struct core *core, struct bytes data, struct quorum_proposal *proposal)
{
    const size_t cost = data.size + CORE_ENTRY_OVERHEAD;

    proposal->entry = NULL;
    proposal->index = 0;
    proposal->term = 0;
    if (data.size > core->options.limits.entry_bytes_max) {
        proposal->status = STATUS_TOO_LARGE;
    } else if (!core->role_leader || core->failed) {
        proposal->status = STATUS_NOT_LEADER;
    } else if (core->inflight_bytes > 0 && core->inflight_bytes + cost > core->options.inflight_bytes_max) {
        proposal->status = STATUS_FULL;
    } else {
        proposal->status = STATUS_OK;
    }
    if (proposal->status != STATUS_OK) {
        list_append(&core->finished, &proposal->link);
        return;
    }
    proposal->entry = log_entry_create(1, LOG_COMMAND, data);
    core->inflight_bytes += cost;
    list_append(&core->commands, &proposal->link);
}

void core_barrier(struct core *core, struct quorum_proposal *proposal)
{
    proposal->entry = NULL;
    proposal->index = 0;
    proposal->term = 0;
    proposal->status = core->role_leader && !core->failed ? STATUS_OK : STATUS_NOT_LEADER;
    list_append(proposal->status == STATUS_OK ? &core->barriers : &core->finished, &proposal->link);
}

bool core_has_work(const struct core *core)
{
    return !list_empty(&core->commands) || !list_empty(&core->finished) ||
           (!list_empty(&core->barriers) && core->barrier_index == 0);
}

void core_finish(struct core *core, struct quorum_proposal *proposal, enum status status)
{
    struct core_effect *effect = core_effect(core, CORE_DONE);

    if (proposal->entry != NULL) {
        core->inflight_bytes -= core_proposal_cost(proposal);
        log_entry_unref(proposal->entry);
        proposal->entry = NULL;
    }
    effect->proposal = proposal;
    effect->status = status;
}

/* Submits `count` entries at once; they become the library's log's, or nothing happens. */
static int core_submit_entries(struct core *core, struct log_entry **entries, size_t count)
{
    struct raft_entry *array = memory_alloc_zero(count, sizeof(struct raft_entry));
    struct raft_event event = {.type = RAFT_SUBMIT};
    int error;

    for (size_t i = 0; i < count; i++) {
        entries[i]->term = raft_current_term(&core->raft);
        array[i].term = entries[i]->term;
        array[i].type = (enum raft_entry_type)entries[i]->kind;
        array[i].buf = (struct raft_buffer){.base = entries[i]->data, .len = entries[i]->size};
        array[i].batch = core; /* not NULL is all that matters: the bytes stay ours */
    }
    event.submit.entries = array;
    event.submit.n = (unsigned)count;
    core->submitting = entries;
    error = core_step(core, &event);
    core->submitting = NULL;
    memory_free(array);
    return error;
}

void core_submit_barrier(struct core *core)
{
    static const uint8_t zeros[8];
    struct log_entry *entry = log_entry_create(1, LOG_BARRIER, bytes_of(zeros, sizeof(zeros)));

    if (core_submit_entries(core, &entry, 1) == 0) {
        core->barrier_index = log_last(&core->log);
    }
    log_entry_unref(entry);
}

/* True if they are in the log now. */
static bool core_submit_commands(struct core *core)
{
    size_t count = 0;
    struct log_entry **entries;
    uint64_t index = log_last(&core->log) + 1;
    int error;

    LIST_EACH(link, &core->commands) {
        count++;
    }
    entries = memory_alloc_zero(count, sizeof(struct log_entry *));
    count = 0;
    LIST_EACH(link, &core->commands) {
        entries[count++] = LIST_ENTRY(link, struct quorum_proposal, link)->entry;
    }
    error = core_submit_entries(core, entries, count);
    memory_free(entries);
    for (struct list *link; (link = list_take_first(&core->commands)) != NULL;) {
        struct quorum_proposal *proposal = LIST_ENTRY(link, struct quorum_proposal, link);

        if (error != 0) {
            /* The library took nothing: no leader any more, or handing over. */
            core_finish(core, proposal, STATUS_NOT_LEADER);
            continue;
        }
        proposal->index = index++;
        proposal->term = raft_current_term(&core->raft);
        list_append(&core->inflight, &proposal->link);
    }
    return error == 0;
}

void core_submit(struct core *core, uint64_t now_ms)
{
    struct list *link;
    bool submitted = false;

    while ((link = list_take_first(&core->finished)) != NULL) {
        struct quorum_proposal *proposal = LIST_ENTRY(link, struct quorum_proposal, link);

        core_finish(core, proposal, proposal->status);
    }
    if (!core_enter(core, now_ms)) {
        return;
    }
    if (!list_empty(&core->commands)) {
        submitted = core_submit_commands(core);
    }
    if (!list_empty(&core->barriers) && !submitted && core->barrier_index == 0 && core->leading) {
        core_submit_barrier(core);
        submitted = core->barrier_index != 0;
        if (!submitted) {
            /* Handing over: it is still leader, but accepts nothing. */
            while ((link = list_take_first(&core->barriers)) != NULL) {
                core_finish(core, LIST_ENTRY(link, struct quorum_proposal, link), STATUS_NOT_LEADER);
            }
        }
    }
    /* Whatever was appended after the barriers were asked for proves leadership as well as an entry of their own. */
    while (submitted && (link = list_take_first(&core->barriers)) != NULL) {
        struct quorum_proposal *proposal = LIST_ENTRY(link, struct quorum_proposal, link);

        proposal->index = log_last(&core->log);
        proposal->term = raft_current_term(&core->raft);
        list_append(&core->inflight, &proposal->link);
    }
    core_settle(core);
}
