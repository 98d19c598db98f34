/* The wiring of the quorum: performs the core's effects on disk, network and state machine, and feeds what comes back
 * as events.
 *
 *     propose, frames, timer --> core --> effects -+-> wal (durable ticket) ----> core_durable
 *                                                  +-> snapshot (saved) --------> core_snapshot_saved / core_installed
 *                                                  +-> link (frames out)
 *                                                  +-> handler (apply, restore, role), proposals
 *
 * Callbacks into the state machine happen while effects are performed; what they propose waits for the end of the turn,
 * so the core is never entered twice. After a fatal effect nothing is performed any more. */
#include "controller/quorum/quorum.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/env.h"
#include "controller/quorum/core.h"
#include "controller/quorum/link.h"
#include "controller/quorum/snapshot.h"
#include "controller/quorum/wal.h"
#include "controller/quorum/wal_record.h"

#include <stdio.h>

#define QUORUM_INBOUND_GROW_MAX ((size_t)64 * 1024)

/* Another voter: the link to it and the link from it. */
struct quorum_peer {
    struct link link;
    int32_t id;
    struct quorum_inbound *inbound; /* the live one (Q11), or NULL */
    uint64_t last_contact_ns;
    uint64_t last_caught_up_ns;
};

struct quorum_inbound {
    struct list link; /* in quorum->inbounds */
    struct quorum *quorum; /* NULL: destroyed */
    void (*close)(void *context);
    void *context;
    struct buffer buffer;
    int32_t sender; /* QUORUM_ID_UNKNOWN before the first frame */
    bool closing;
};

struct quorum {
    struct env *env;
    struct quorum_options options;
    const struct quorum_handler *handler;
    void *context;
    struct core core;
    struct wal wal;
    struct file *lock;
    struct env_timer timer;
    uint64_t deadline_ns; /* the timer's */
    struct env_hook hook;
    struct quorum_peer peers[QUORUM_VOTERS_MAX];
    int peer_count;
    struct list inbounds;
    bool performing;
    bool failed;
    char error[WAL_ERROR_MAX];

    struct snapshot *snapshot;      /* the newest durable one, or NULL */
    uint64_t older_index;           /* of the one before it, or 0 */
    struct snapshot *saving;        /* being written: ours or an installed one */
    bool installing;
    uint64_t install_after;         /* the installation waits until this ticket is durable (Q9) */
    uint64_t reset_ticket;          /* of the reset record of the installation */
    struct snapshot_job *job;
    uint64_t snapshot_wal_bytes;    /* wal.bytes at the last snapshot */
    uint64_t news_ms;               /* when the first entry behind the last snapshot was applied; 0: there is none */
    uint64_t hard_ticket;           /* of the last term and vote */
};

static void quorum_perform(struct quorum *quorum);

void quorum_options_init(struct quorum_options *options)
{
    *options = (struct quorum_options){
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .snapshot_bytes = UINT64_C(20) * 1024 * 1024,
        .snapshot_interval_ms = 3600 * 1000,
        .segment_bytes = UINT64_C(16) * 1024 * 1024,
        .entry_bytes_max = (size_t)8 * 1024 * 1024,
        .snapshot_bytes_max = (size_t)1024 * 1024 * 1024,
        .inflight_bytes_max = (size_t)32 * 1024 * 1024,
        .inflight_entries_max = 1024,
        .rules = EDGE_RULES_ALL,
    };
}

static uint64_t quorum_now_ms(struct quorum *quorum)
{
    return env_now_ns(quorum->env) / NS_PER_MS;
}

static void quorum_fail(struct quorum *quorum, const char *what, enum status why)
{
    if (!quorum->failed) {
        quorum->failed = true;
        quorum->core.failed = true;
        quorum->wal.stopped = true;
        env_timer_stop(quorum->env, &quorum->timer);
        quorum->handler->fatal(quorum->context, what, why);
    }
}

static struct quorum_peer *quorum_peer_of(struct quorum *quorum, int32_t id)
{
    for (int i = 0; i < quorum->peer_count; i++) {
        if (quorum->peers[i].id == id) {
            return &quorum->peers[i];
        }
    }
    return NULL;
}

/* Effects. */

static void quorum_install_begin(struct quorum *quorum)
{
    if (quorum->installing && quorum->saving == NULL && quorum->wal.durable_ticket >= quorum->install_after) {
        struct core_incoming *incoming = &quorum->core.incoming;
        struct core_snapshot about = {incoming->snapshot.index, incoming->snapshot.term,
                                      incoming->snapshot.configuration_index,
                                      {0}};
        struct buffer data = incoming->data;

        buffer_append(&about.configuration, incoming->snapshot.configuration.data,
                      incoming->snapshot.configuration.size);
        buffer_init(&incoming->data);
        quorum->saving = snapshot_create(&about, &data, true);
    }
}

static void quorum_snapshot_saved(void *context, enum status status);

/* Starts writing what is to be saved, once it may be. */
static void quorum_save(struct quorum *quorum)
{
    quorum_install_begin(quorum);
    if (quorum->saving != NULL && quorum->job == NULL && quorum->reset_ticket == 0) {
        quorum->job = snapshot_save(quorum->env, quorum->options.directory, wal_identity(quorum->core.options.identity),
                                    quorum->saving, quorum->older_index, quorum_snapshot_saved, quorum);
    }
}

static void quorum_restore(struct quorum *quorum)
{
    const struct snapshot *snapshot = quorum->snapshot;

    quorum->handler->restore(quorum->context, snapshot->about.index, snapshot->about.term,
                             buffer_bytes(&snapshot->data));
}

static void quorum_perform_send(struct quorum *quorum, struct core_effect *effect)
{
    struct quorum_peer *peer = quorum_peer_of(quorum, effect->peer);

    if (peer == NULL) {
        return;
    }
    if (effect->kind == CORE_SEND) {
        link_send(&peer->link, &effect->frame, quorum->hard_ticket);
    } else if (quorum->snapshot != NULL && quorum->snapshot->about.index == effect->index) {
        link_send_snapshot(&peer->link, quorum->snapshot, effect->term);
    }
}

static void quorum_perform_role(struct quorum *quorum, const struct core_effect *effect)
{
    if (!effect->leader) {
        for (int i = 0; i < quorum->peer_count; i++) {
            link_stop_snapshot(&quorum->peers[i].link);
        }
    }
    quorum->handler->role(quorum->context, effect->leader, effect->term, effect->peer);
}

static void quorum_perform_one(struct quorum *quorum, struct core_effect *effect)
{
    switch (effect->kind) {
    case CORE_HARD_STATE:
        quorum->hard_ticket = effect->ticket;
        wal_hard_state(&quorum->wal, effect->ticket, effect->term, effect->vote);
        break;
    case CORE_APPEND:
        wal_entry(&quorum->wal, effect->ticket, effect->index, effect->term, effect->entry);
        break;
    case CORE_SEND:
    case CORE_SEND_SNAPSHOT:
        quorum_perform_send(quorum, effect);
        break;
    case CORE_INSTALL:
        quorum->installing = true;
        quorum->install_after = quorum->core.ticket;
        break;
    case CORE_RESTORE:
        quorum_restore(quorum);
        break;
    case CORE_APPLY:
        quorum->handler->apply(quorum->context, effect->index, effect->term, log_entry_bytes(effect->entry));
        break;
    case CORE_DONE:
        effect->proposal->done(effect->proposal, effect->status);
        break;
    case CORE_ROLE:
        quorum_perform_role(quorum, effect);
        break;
    case CORE_FATAL:
        quorum_fail(quorum, effect->what, STATUS_CORRUPT);
        break;
    }
}

/* When the age of what no snapshot covers makes one due; UINT64_MAX: not by age. */
static uint64_t quorum_snapshot_deadline_ms(const struct quorum *quorum)
{
    const uint32_t interval_ms = quorum->options.snapshot_interval_ms;

    return quorum->news_ms == 0 || interval_ms == 0 ? UINT64_MAX : quorum->news_ms + interval_ms;
}

/* Moves the timer to the core's deadline, or that of a snapshot. One that is overdue, because the core allows none just
 * now, waits for the next event. */
static void quorum_arm(struct quorum *quorum)
{
    const uint64_t now_ns = env_now_ns(quorum->env);
    const uint64_t snapshot_ms = quorum_snapshot_deadline_ms(quorum);
    uint64_t deadline_ns = core_deadline_ms(&quorum->core) * NS_PER_MS;

    if (snapshot_ms > now_ns / NS_PER_MS && snapshot_ms < deadline_ns / NS_PER_MS) {
        deadline_ns = snapshot_ms * NS_PER_MS;
    }
    if (env_timer_active(&quorum->timer) && quorum->deadline_ns == deadline_ns) {
        return;
    }
    quorum->deadline_ns = deadline_ns;
    env_timer_start(quorum->env, &quorum->timer, deadline_ns > now_ns ? deadline_ns - now_ns : 1);
}

/* Whether the log has grown enough since the last snapshot, or what is new in it is old enough. */
static bool quorum_snapshot_is_due(struct quorum *quorum)
{
    const uint64_t now_ms = quorum_now_ms(quorum);
    const uint64_t covered = quorum->snapshot != NULL ? quorum->snapshot->about.index : 0;

    if (quorum->saving != NULL || quorum->installing) {
        return false;
    }
    if (quorum->core.applied_index <= covered) {
        quorum->news_ms = 0;
    } else if (quorum->news_ms == 0) {
        quorum->news_ms = now_ms > 0 ? now_ms : 1;
    }
    return quorum->wal.bytes - quorum->snapshot_wal_bytes >= quorum->options.snapshot_bytes ||
           now_ms >= quorum_snapshot_deadline_ms(quorum);
}

static void quorum_snapshot_if_due(struct quorum *quorum)
{
    struct core_snapshot about;
    struct buffer data = {0};
    const uint64_t keep_after = quorum->snapshot != NULL ? quorum->snapshot->about.index : 0;

    if (!quorum_snapshot_is_due(quorum) || !core_snapshot_begin(&quorum->core, keep_after, &about)) {
        return;
    }
    quorum->snapshot_wal_bytes = quorum->wal.bytes;
    quorum->news_ms = 0;
    quorum->handler->snapshot(quorum->context, &data);
    quorum->saving = snapshot_create(&about, &data, false);
}

static void quorum_perform(struct quorum *quorum)
{
    struct core *core = &quorum->core;

    ASSERT(!quorum->performing);
    quorum->performing = true;
    for (size_t i = 0; i < core->effect_count && !quorum->failed; i++) {
        struct core_effect effect = core->effects[i];

        core->effects[i].entry = NULL;
        core->effects[i].frame = (struct buffer){0};
        core->effects[i].proposal = NULL;
        quorum_perform_one(quorum, &effect);
        log_entry_unref(effect.entry);
        buffer_deinit(&effect.frame);
    }
    quorum->performing = false;
    if (quorum->failed) {
        return; /* what is left is freed with the core */
    }
    core->effect_count = 0;
    quorum_snapshot_if_due(quorum);
    quorum_save(quorum);
    if (core_has_work(core)) {
        env_at_turn_end(quorum->env, &quorum->hook);
    }
    quorum_arm(quorum);
}

/* Before every event. A process that stood still for longer than an election timeout may have been replaced as leader
 * meanwhile: it steps down before it answers anything. */
static void quorum_enter(struct quorum *quorum)
{
    const uint64_t patience_ns = quorum->options.election_timeout_ms * NS_PER_MS;

    if (!quorum->failed && env_timer_active(&quorum->timer) &&
        env_now_ns(quorum->env) > quorum->deadline_ns + patience_ns) {
        core_step_down(&quorum->core, quorum_now_ms(quorum));
        quorum->deadline_ns = env_now_ns(quorum->env);
        quorum_perform(quorum);
    }
}

/* Events. */

static void quorum_timer(void *context)
{
    struct quorum *quorum = context;
    const uint64_t patience_ns = quorum->options.election_timeout_ms * NS_PER_MS;

    if (env_now_ns(quorum->env) > quorum->deadline_ns + patience_ns) {
        core_step_down(&quorum->core, quorum_now_ms(quorum));
        quorum_perform(quorum);
        if (quorum->failed) {
            return;
        }
    }
    /* Else it was for a snapshot. */
    if (quorum_now_ms(quorum) >= core_deadline_ms(&quorum->core)) {
        core_timeout(&quorum->core, quorum_now_ms(quorum));
    }
    quorum_perform(quorum);
}

static void quorum_turn_end(void *context)
{
    struct quorum *quorum = context;

    quorum_enter(quorum);
    if (!quorum->failed) {
        core_submit(&quorum->core, quorum_now_ms(quorum));
        quorum_perform(quorum);
    }
}

/* The installed snapshot is on disk and the log on disk says so. */
static void quorum_installed(struct quorum *quorum)
{
    quorum->older_index = quorum->snapshot != NULL ? quorum->snapshot->about.index : 0;
    snapshot_unref(quorum->snapshot);
    quorum->snapshot = quorum->saving;
    quorum->saving = NULL;
    quorum->installing = false;
    quorum->reset_ticket = 0;
    quorum->snapshot_wal_bytes = quorum->wal.bytes;
    wal_trim(&quorum->wal, quorum->older_index);
    core_installed(&quorum->core, quorum_now_ms(quorum));
}

static void quorum_durable(void *context, uint64_t ticket)
{
    struct quorum *quorum = context;

    if (quorum->failed) {
        return;
    }
    quorum_enter(quorum);
    for (int i = 0; i < quorum->peer_count; i++) {
        link_durable(&quorum->peers[i].link, ticket);
    }
    if (quorum->reset_ticket != 0 && ticket >= quorum->reset_ticket) {
        quorum_installed(quorum);
    }
    core_durable(&quorum->core, quorum_now_ms(quorum), ticket);
    quorum_perform(quorum);
}

static void quorum_wal_failed(void *context, enum status why)
{
    quorum_fail(context, "writing the log of the quorum failed", why);
}

static void quorum_snapshot_saved(void *context, enum status status)
{
    struct quorum *quorum = context;

    /* With the job still there, since what quorum_enter performs must not save the same once more. */
    if (!quorum->failed && status == STATUS_OK) {
        quorum_enter(quorum);
    }
    quorum->job = NULL;
    if (quorum->failed) {
        return;
    }
    if (status != STATUS_OK) {
        quorum_fail(quorum, "writing a snapshot of the quorum failed", status);
        return;
    }
    if (quorum->installing) {
        /* A crash before the reset is durable is recognised at start: the log ends before the snapshot, or differs. */
        quorum->reset_ticket = ++quorum->core.ticket;
        wal_reset(&quorum->wal, quorum->reset_ticket, quorum->saving->about.index, quorum->saving->about.term);
        return;
    }
    quorum->older_index = quorum->snapshot != NULL ? quorum->snapshot->about.index : 0;
    snapshot_unref(quorum->snapshot);
    quorum->snapshot = quorum->saving;
    quorum->saving = NULL;
    wal_trim(&quorum->wal, quorum->older_index);
    core_snapshot_saved(&quorum->core, quorum_now_ms(quorum));
    quorum_perform(quorum);
}

void quorum_propose(struct quorum *quorum, struct bytes entry, struct quorum_proposal *proposal)
{
    ASSERT(proposal->done != NULL);
    core_propose(&quorum->core, entry, proposal);
    env_at_turn_end(quorum->env, &quorum->hook);
}

void quorum_barrier(struct quorum *quorum, struct quorum_proposal *proposal)
{
    ASSERT(proposal->done != NULL);
    core_barrier(&quorum->core, proposal);
    env_at_turn_end(quorum->env, &quorum->hook);
}

void quorum_resign(struct quorum *quorum)
{
    ASSERT(!quorum->performing);
    core_resign(&quorum->core, quorum_now_ms(quorum));
    quorum_perform(quorum);
}

/* Inbound links. */

struct quorum_inbound *quorum_inbound_open(struct quorum *quorum, void (*close)(void *context), void *context)
{
    struct quorum_inbound *inbound = memory_alloc_zero(1, sizeof(*inbound));

    inbound->quorum = quorum;
    inbound->close = close;
    inbound->context = context;
    inbound->sender = QUORUM_ID_UNKNOWN;
    list_append(&quorum->inbounds, &inbound->link);
    return inbound;
}

static void quorum_inbound_forget(struct quorum_inbound *inbound)
{
    struct quorum_peer *peer =
        inbound->sender == QUORUM_ID_UNKNOWN ? NULL : quorum_peer_of(inbound->quorum, inbound->sender);

    if (peer != NULL && peer->inbound == inbound) {
        peer->inbound = NULL;
    }
}

static void quorum_inbound_shut(struct quorum_inbound *inbound)
{
    if (!inbound->closing) {
        inbound->closing = true;
        inbound->close(inbound->context);
    }
}

/* The first frame says who sends; it replaces an older connection of the same sender (Q11). */
static bool quorum_inbound_identify(struct quorum_inbound *inbound, int32_t sender)
{
    struct quorum *quorum = inbound->quorum;
    struct quorum_peer *peer = quorum_peer_of(quorum, sender);
    struct quorum_inbound *older;

    if (peer == NULL || (inbound->sender != QUORUM_ID_UNKNOWN && inbound->sender != sender)) {
        return false;
    }
    if (inbound->sender == QUORUM_ID_UNKNOWN) {
        inbound->sender = sender;
        older = peer->inbound;
        peer->inbound = inbound;
        if (older != NULL && quorum->options.rules.q11_one_connection) {
            quorum_inbound_shut(older);
        }
    }
    peer->last_contact_ns = env_now_ns(quorum->env);
    link_heard(&peer->link);
    return true;
}

static bool quorum_inbound_frame(struct quorum_inbound *inbound, struct bytes frame)
{
    struct quorum *quorum = inbound->quorum;
    struct core *core = &quorum->core;
    struct edge_message message;
    struct quorum_peer *peer;

    if (edge_decode(frame, core->options.limits, &message) != STATUS_OK) {
        return false;
    }
    if (!quorum_inbound_identify(inbound, message.sender)) {
        edge_message_deinit(&message);
        return false;
    }
    quorum_enter(quorum);
    core_receive(core, quorum_now_ms(quorum), &message);
    peer = quorum_peer_of(quorum, message.sender);
    if (core->leading && core_match_index(core, message.sender) == log_last(&core->log)) {
        peer->last_caught_up_ns = env_now_ns(quorum->env);
    }
    edge_message_deinit(&message);
    if (!quorum->failed) {
        quorum_perform(quorum);
    }
    return !quorum->failed;
}

bool quorum_inbound_bytes(struct quorum_inbound *inbound, struct bytes data)
{
    size_t at = 0;
    bool good = true;

    if (inbound->quorum == NULL || inbound->quorum->failed || inbound->closing) {
        return false;
    }
    buffer_append(&inbound->buffer, data.data, data.size);
    while (good && !inbound->closing) {
        const struct bytes rest = {inbound->buffer.data + at, inbound->buffer.size - at};
        size_t size;
        const enum status status = edge_frame_size(inbound->quorum->core.options.identity,
                                                   inbound->quorum->core.options.limits, rest, &size);

        if (status == STATUS_END || (status == STATUS_OK && size > rest.size)) {
            break;
        }
        good = status == STATUS_OK && quorum_inbound_frame(inbound, bytes_of(rest.data, size));
        at += good ? size : 0;
    }
    inbound->buffer.size -= at;
    if (inbound->buffer.size > 0 && at > 0) {
        memmove(inbound->buffer.data, inbound->buffer.data + at, inbound->buffer.size);
    }
    if (inbound->buffer.size == 0 && inbound->buffer.capacity > QUORUM_INBOUND_GROW_MAX) {
        buffer_deinit(&inbound->buffer);
    }
    return good && !inbound->closing;
}

void quorum_inbound_closed(struct quorum_inbound *inbound)
{
    if (inbound->quorum != NULL) {
        quorum_inbound_forget(inbound);
    }
    list_remove(&inbound->link);
    buffer_deinit(&inbound->buffer);
    memory_free(inbound);
}

/* Life. */

static enum status quorum_refuse(struct quorum *quorum, enum status why)
{
    quorum_fail(quorum, quorum->error, why);
    return why;
}

static bool quorum_is_ours(const struct quorum *quorum, struct bytes configuration)
{
    return edge_configuration_is(configuration, quorum->core.options.voters, quorum->core.options.voter_count);
}

/* No entry and no snapshot is of a term that the log does not know: each began with a hard state before them. And there
 * is room for one more term and entry, or what is written next could not be read again. */
static enum status quorum_check_terms(struct quorum *quorum, const struct wal_load *load)
{
    uint64_t term = load->base_term;

    if (load->term >= EDGE_INDEX_MAX || log_last(&load->log) >= EDGE_INDEX_MAX) {
        snprintf(quorum->error, sizeof(quorum->error), "nothing can follow term %llu and entry %llu",
                 (unsigned long long)load->term, (unsigned long long)log_last(&load->log));
        return STATUS_CORRUPT;
    }
    for (uint64_t i = load->log.base + 1; i <= log_last(&load->log); i++) {
        const uint64_t found = log_get(&load->log, i)->term;

        term = found > term ? found : term;
    }
    if (quorum->snapshot != NULL && quorum->snapshot->about.term > term) {
        term = quorum->snapshot->about.term;
    }
    if (term > load->term) {
        snprintf(quorum->error, sizeof(quorum->error), "there is something of term %llu, but the log knows only %llu",
                 (unsigned long long)term, (unsigned long long)load->term);
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* What was loaded must fit together, and be about these voters. */
static enum status quorum_check(struct quorum *quorum, struct wal_load *load, int damaged, bool *discard)
{
    const struct snapshot *snapshot = quorum->snapshot;
    const uint64_t last = log_last(&load->log);
    uint64_t term;

    *discard = false;
    for (uint64_t i = load->log.base + 1; i <= last; i++) {
        const struct log_entry *entry = log_get(&load->log, i);

        if (entry->kind == LOG_CONFIGURATION && !quorum_is_ours(quorum, log_entry_bytes(entry))) {
            snprintf(quorum->error, sizeof(quorum->error), "the voters differ from those that the log was made for");
            return STATUS_INVALID;
        }
        if (i == 1 && entry->kind != LOG_CONFIGURATION) {
            snprintf(quorum->error, sizeof(quorum->error), "the log does not begin with its voters");
            return STATUS_CORRUPT;
        }
    }
    if (snapshot == NULL) {
        /* Without any snapshot the whole log must be there; a damaged one is no loss then. */
        if (load->log.base > 0 || (load->pristine && damaged > 0)) {
            snprintf(quorum->error, sizeof(quorum->error),
                     "the log begins behind entry %llu and no snapshot that covers it is whole",
                     (unsigned long long)load->log.base);
            return STATUS_CORRUPT;
        }
        return STATUS_OK;
    }
    if (!quorum_is_ours(quorum, buffer_bytes(&snapshot->about.configuration))) {
        snprintf(quorum->error, sizeof(quorum->error), "the voters differ from those that the snapshot was made for");
        return STATUS_INVALID;
    }
    if (load->pristine || load->log.base > snapshot->about.index) {
        snprintf(quorum->error, sizeof(quorum->error),
                 "the log begins behind entry %llu, but the newest whole snapshot ends at %llu",
                 (unsigned long long)load->log.base, (unsigned long long)snapshot->about.index);
        return STATUS_CORRUPT;
    }
    term = load->log.base == snapshot->about.index ? load->base_term : log_term(&load->log, snapshot->about.index);
    if (last >= snapshot->about.index && term == snapshot->about.term) {
        return STATUS_OK;
    }
    if (!snapshot->installed) {
        snprintf(quorum->error, sizeof(quorum->error), "the log does not reach the snapshot at entry %llu",
                 (unsigned long long)snapshot->about.index);
        return STATUS_CORRUPT;
    }
    *discard = true;
    return STATUS_OK;
}

static enum status quorum_load(struct quorum *quorum, struct wal_load *load)
{
    const struct quorum_options *options = &quorum->options;
    const struct wal_options wal_options = {
        .env = quorum->env,
        .directory = options->directory,
        .identity = quorum->core.options.identity,
        .segment_bytes = (options->segment_bytes + WAL_ALIGNMENT - 1) & ~(uint64_t)(WAL_ALIGNMENT - 1),
        .durable = quorum_durable,
        .failed = quorum_wal_failed,
        .context = quorum,
    };
    int damaged;
    bool discard;
    enum status status = wal_open(&quorum->wal, &wal_options, load, quorum->error);

    if (status != STATUS_OK) {
        return status;
    }
    status = snapshot_load(quorum->env->disk, options->directory, wal_identity(wal_options.identity),
                           options->snapshot_bytes_max, &quorum->snapshot, &quorum->older_index, &damaged);
    if (status != STATUS_OK) {
        snprintf(quorum->error, sizeof(quorum->error), "cannot read the snapshots: %s", status_text(status));
    } else {
        status = quorum_check(quorum, load, damaged, &discard);
        if (status == STATUS_OK) {
            status = quorum_check_terms(quorum, load);
        }
    }
    if (status != STATUS_OK) {
        log_deinit(&load->log);
        wal_close(&quorum->wal);
        return status;
    }
    if (quorum->snapshot != NULL) {
        const struct core_snapshot *about = &quorum->snapshot->about;

        if (discard) {
            log_reset(&load->log, about->index, about->term);
            wal_reset(&quorum->wal, ++quorum->core.ticket, about->index, about->term);
        }
        load->log.snapshot_index = about->index;
        load->log.snapshot_term = about->term;
    }
    /* What the log holds already counts towards the next snapshot, or restarts would put it off for ever. */
    for (uint64_t i = load->log.snapshot_index + 1; i <= log_last(&load->log); i++) {
        quorum->wal.bytes += wal_record_size(log_get(&load->log, i)->size);
    }
    return STATUS_OK;
}

static void quorum_core_init(struct quorum *quorum)
{
    const struct quorum_options *options = &quorum->options;
    struct core_options core = {
        .identity = {options->cluster_id, options->id},
        .voter_count = options->voter_count,
        .election_timeout_ms = options->election_timeout_ms,
        .heartbeat_ms = options->heartbeat_ms,
        .seed = (uint32_t)env_random(quorum->env),
        .inflight_bytes_max = options->inflight_bytes_max,
        .inflight_entries_max = options->inflight_entries_max,
        .limits = {options->entry_bytes_max, options->snapshot_bytes_max},
        .rules = options->rules,
    };

    for (int i = 0; i < options->voter_count; i++) {
        int at = i;

        ASSERT(options->voters[i].id >= 0);
        for (; at > 0 && core.voters[at - 1] > options->voters[i].id; at--) {
            core.voters[at] = core.voters[at - 1];
        }
        core.voters[at] = options->voters[i].id;
    }
    core_init(&quorum->core, &core);
}

static enum status quorum_open(struct quorum *quorum)
{
    struct disk *disk = quorum->env->disk;
    char path[DISK_PATH_MAX];
    enum status status = disk_make_directories(disk, quorum->options.directory);

    if (status == STATUS_OK) {
        snprintf(path, sizeof(path), "%s/.lock", quorum->options.directory);
        status = disk_lock(disk, path, &quorum->lock);
    }
    if (status != STATUS_OK) {
        snprintf(quorum->error, sizeof(quorum->error), "cannot use %.400s: %s", quorum->options.directory,
                 status_text(status));
    }
    return status;
}

static void quorum_free(struct quorum *quorum)
{
    core_deinit(&quorum->core);
    snapshot_unref(quorum->snapshot);
    snapshot_unref(quorum->saving);
    file_unref(quorum->lock);
    memory_free(quorum);
}

/* Everything but the start of the core: what has to be durable before. */
static enum status quorum_prepare(struct quorum *quorum)
{
    struct wal_load load;
    enum status status = quorum_open(quorum);

    if (status == STATUS_OK) {
        status = quorum_load(quorum, &load);
    }
    if (status != STATUS_OK) {
        return status;
    }
    core_prepare(&quorum->core, load.term, load.vote, &load.log, quorum->snapshot != NULL);
    for (size_t i = 0; i < quorum->core.effect_count; i++) {
        struct core_effect *effect = &quorum->core.effects[i];

        quorum_perform_one(quorum, effect);
        log_entry_unref(effect->entry);
        effect->entry = NULL;
    }
    quorum->core.effect_count = 0;
    status = wal_flush_now(&quorum->wal);
    if (status != STATUS_OK) {
        snprintf(quorum->error, sizeof(quorum->error), "cannot write to %.400s: %s", quorum->options.directory,
                 status_text(status));
        wal_close(&quorum->wal);
    }
    return status;
}

enum status quorum_create(struct env *env, const struct quorum_options *options, const struct quorum_handler *handler,
                          void *context, struct quorum **out)
{
    struct quorum *quorum = memory_alloc_zero(1, sizeof(*quorum));
    enum status status;

    ASSERT(options->voter_count >= 1 && options->voter_count <= QUORUM_VOTERS_MAX);
    ASSERT(options->heartbeat_ms > 0 && options->heartbeat_ms < options->election_timeout_ms);
    quorum->env = env;
    quorum->options = *options;
    quorum->handler = handler;
    quorum->context = context;
    list_init(&quorum->inbounds);
    env_timer_init(&quorum->timer, quorum_timer, quorum);
    env_hook_init(&quorum->hook, quorum_turn_end, quorum);
    quorum_core_init(quorum);
    status = quorum_prepare(quorum);
    if (status != STATUS_OK) {
        status = quorum_refuse(quorum, status);
        quorum_free(quorum);
        return status;
    }
    for (int i = 0; i < options->voter_count; i++) {
        if (options->voters[i].id != options->id) {
            struct quorum_peer *peer = &quorum->peers[quorum->peer_count++];

            peer->id = options->voters[i].id;
            link_init(&peer->link, env, quorum->core.options.identity, &quorum->options.voters[i]);
            link_durable(&peer->link, quorum->wal.durable_ticket);
            link_start(&peer->link);
        }
    }
    if (quorum->snapshot != NULL) {
        quorum_restore(quorum);
    }
    core_start(&quorum->core, quorum_now_ms(quorum), quorum->snapshot != NULL ? &quorum->snapshot->about : NULL);
    quorum_perform(quorum);
    *out = quorum;
    return STATUS_OK;
}

void quorum_destroy(struct quorum *quorum)
{
    ASSERT(!quorum->performing);
    quorum->failed = true;
    env_timer_stop(quorum->env, &quorum->timer);
    env_hook_cancel(&quorum->hook);
    for (struct list *link; (link = list_take_first(&quorum->inbounds)) != NULL;) {
        struct quorum_inbound *inbound = LIST_ENTRY(link, struct quorum_inbound, link);

        inbound->quorum = NULL;
        quorum_inbound_shut(inbound);
    }
    for (int i = 0; i < quorum->peer_count; i++) {
        link_deinit(&quorum->peers[i].link);
    }
    snapshot_save_abandon(quorum->job);
    wal_close(&quorum->wal);
    core_close(&quorum->core);
    for (size_t i = 0; i < quorum->core.effect_count; i++) {
        struct core_effect *effect = &quorum->core.effects[i];

        if (effect->kind == CORE_DONE && effect->proposal != NULL) {
            effect->proposal->done(effect->proposal, effect->status);
        }
    }
    quorum_free(quorum);
}

void quorum_status_get(const struct quorum *quorum, struct quorum_status *status)
{
    const struct core *core = &quorum->core;

    *status = (struct quorum_status){
        .id = quorum->options.id,
        .term = raft_current_term(&core->raft),
        .leader_id = core->role_leader_id,
        .is_leader = core->role_leader,
        .last_index = log_last(&core->log),
        .commit_index = core->commit_index,
        .applied_index = core->applied_index,
        .snapshot_index = core->log.snapshot_index,
        .voter_count = quorum->options.voter_count,
    };
    for (int i = 0; i < quorum->options.voter_count; i++) {
        struct quorum_voter_status *voter = &status->voters[i];

        voter->id = quorum->options.voters[i].id;
        voter->match_index = core_match_index(core, voter->id);
        for (int j = 0; j < quorum->peer_count; j++) {
            if (quorum->peers[j].id == voter->id) {
                voter->last_contact_ns = quorum->peers[j].last_contact_ns;
                voter->last_caught_up_ns = quorum->peers[j].last_caught_up_ns;
            }
        }
        if (voter->id == quorum->options.id) {
            voter->last_contact_ns = env_now_ns(quorum->env);
            voter->last_caught_up_ns = core->leading ? voter->last_contact_ns : 0;
        }
    }
}

struct quorum_glimpse quorum_look(const struct quorum *quorum)
{
    const struct core *core = &quorum->core;

    return (struct quorum_glimpse){
        .term = raft_current_term(&core->raft),
        .leading = core->role_leader && core->role_term == raft_current_term(&core->raft),
        .last_index = log_last(&core->log),
        .commit_index = core->commit_index,
        .applied_index = core->applied_index,
        .base_index = core->log.base,
    };
}

bool quorum_look_at(const struct quorum *quorum, uint64_t index, uint64_t *term, struct bytes *entry, bool *durable)
{
    const struct log_entry *found = log_get(&quorum->core.log, index);

    if (found != NULL) {
        *term = found->term;
        *entry = log_entry_bytes(found);
        *durable = found->ticket <= quorum->wal.durable_ticket;
    }
    return found != NULL;
}
