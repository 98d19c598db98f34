/* The quorum without the world: the Raft library's state machine, the log in memory, proposals. An event goes in by one
 * of the calls below, effects come out in core->effects, in the order in which they must be performed. No I/O, no
 * clock: time is an argument in milliseconds, the next deadline a value. Shared by the program, the unit tests and the
 * simulator.
 *
 *     peers' frames --> edge_judge --> raft_step --> update --> effects: write, send, apply, answer
 *     durable ticket ------------------^
 *     deadline reached ----------------^
 *
 * Invariants, checked on every event:
 *
 *     1. the commit index never decreases
 *     2. commit index <= last index; applied index <= commit index
 *     3. an entry counts as stored only when the very write that carries it is durable (tickets)
 *
 * A broken invariant, or an error of the library on anything but a submission, is a CORE_FATAL effect (rule Q10); after
 * it the core ignores every event. */
#ifndef QUORUM_CORE_H
#define QUORUM_CORE_H

#include "controller/quorum/edge.h"
#include "controller/quorum/log.h"
#include "controller/quorum/quorum.h"

#include <raft.h>

struct core_options {
    struct edge_identity identity;
    int32_t voters[QUORUM_VOTERS_MAX]; /* ascending */
    int voter_count;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint32_t seed;
    size_t inflight_bytes_max;
    uint32_t inflight_entries_max;
    struct edge_limits limits;
    struct edge_rules rules;
};

/* What a snapshot is a snapshot of. */
struct core_snapshot {
    uint64_t index;
    uint64_t term;
    uint64_t configuration_index;
    struct buffer configuration; /* the library's encoding */
};

enum core_effect_kind {
    /* Queue (term, vote) for the disk; frames that follow may leave only when `ticket` is durable. */
    CORE_HARD_STATE,
    /* Queue the entry for the disk; it replaces what is at `index` and behind. */
    CORE_APPEND,
    CORE_SEND,          /* to `peer`: a frame */
    CORE_SEND_SNAPSHOT, /* to `peer`: the newest snapshot, whose index is `index` */
    /* Make the received snapshot (core->incoming) durable, then forget the log on disk, then call core_installed. */
    CORE_INSTALL,
    CORE_RESTORE,       /* give the snapshot that was installed to the state machine */
    CORE_APPLY,
    CORE_DONE,
    CORE_ROLE,
    CORE_FATAL
};

struct core_effect {
    enum core_effect_kind kind;
    int32_t peer;               /* CORE_SEND*; CORE_ROLE: the leader or QUORUM_ID_UNKNOWN */
    uint64_t ticket;            /* CORE_HARD_STATE, CORE_APPEND: ascending */
    uint64_t index;             /* CORE_APPEND, CORE_APPLY, CORE_SEND_SNAPSHOT */
    /* CORE_HARD_STATE, CORE_SEND_SNAPSHOT, CORE_ROLE; CORE_APPEND: of the entry before it */
    uint64_t term;
    uint64_t vote;              /* CORE_HARD_STATE: raft id or 0 */
    bool leader;                /* CORE_ROLE */
    struct log_entry *entry;    /* CORE_APPEND, CORE_APPLY: one reference */
    struct buffer frame;        /* CORE_SEND: owned */
    struct quorum_proposal *proposal; /* CORE_DONE */
    enum status status;         /* CORE_DONE */
    const char *what;           /* CORE_FATAL */
};

/* A snapshot that comes in chunks, then waits to be delivered, then to be durable. */
struct core_incoming {
    bool complete;
    bool held;         /* Q7: complete, but our own snapshot is being written */
    int32_t sender;
    uint64_t term;     /* of the message */
    uint32_t crc;
    uint64_t total;
    struct core_snapshot snapshot;
    struct buffer data;
};

struct core {
    struct raft raft;
    struct raft_tracer tracer;
    struct core_options options;
    struct log log;
    uint64_t now_ms;
    uint64_t ticket;             /* last one given out */
    uint64_t hard_term;          /* as last queued for the disk */
    uint64_t hard_vote;
    uint64_t commit_index;       /* highest seen */
    uint64_t applied_index;
    bool started;
    bool failed;                 /* after CORE_FATAL */
    bool mute;                   /* drop the messages of this step */
    bool leading;                /* as of the last update */
    bool saving;                 /* our own snapshot is being written */
    uint64_t saving_index;
    uint64_t saving_keep;        /* log entries up to here may go when it is */
    uint64_t own_index;          /* leader: the entry that makes it ready; 0: not appended yet */
    struct log_entry **submitting; /* during a submission: what is submitted */
    struct core_incoming incoming;

    /* Proposals: waiting for the end of the turn, then in the log by ascending index, or finished without that. */
    struct list commands;
    struct list barriers;
    struct list inflight;
    struct list finished;
    uint64_t barrier_index;      /* the barrier entry in flight, or 0 */
    size_t inflight_bytes;

    /* What `role` was told last. */
    bool role_leader;
    uint64_t role_term;
    int32_t role_leader_id;

    struct core_effect *effects;
    size_t effect_count;
    size_t effect_capacity;
};

void core_init(struct core *core, const struct core_options *options);
/* Drops effects that were not performed. Proposals must have been taken back (core_close). */
void core_deinit(struct core *core);
/* Every proposal becomes a CORE_DONE effect with STATUS_CLOSED. */
void core_close(struct core *core);

/* Before the start: what the disk had. `log` (moved) holds the entries. If it is empty and there is no snapshot,
 * effects create the first term and entry: the directory is new, or a crash tore its beginning. The effects (hard
 * state, entries) must be durable before core_start. */
void core_prepare(struct core *core, uint64_t term, uint64_t vote, struct log *log, bool has_snapshot);
/* `snapshot` may be NULL; borrowed. */
void core_start(struct core *core, uint64_t now_ms, const struct core_snapshot *snapshot);

/* Events. */
void core_receive(struct core *core, uint64_t now_ms, struct edge_message *message);
void core_timeout(struct core *core, uint64_t now_ms);
/* Everything up to `ticket` is durable. */
void core_durable(struct core *core, uint64_t now_ms, uint64_t ticket);
/* The snapshot of the last CORE_INSTALL is durable and the log on disk forgotten. */
void core_installed(struct core *core, uint64_t now_ms);
/* The snapshot begun by core_snapshot_begin is durable. */
void core_snapshot_saved(struct core *core, uint64_t now_ms);
/* A leader gives up its term, for instance because the process stood still. */
void core_step_down(struct core *core, uint64_t now_ms);
/* A leader hands over. */
void core_resign(struct core *core, uint64_t now_ms);
/* Everything proposed since the last call goes into the log at once. */
void core_submit(struct core *core, uint64_t now_ms);

/* Queues for core_submit. Borrows `data`, shares `proposal`. */
void core_propose(struct core *core, struct bytes data, struct quorum_proposal *proposal);
void core_barrier(struct core *core, struct quorum_proposal *proposal);
/* True if core_submit has something to do. */
bool core_has_work(const struct core *core);

/* False if no snapshot can be taken now. Else *snapshot (deinit it) describes one of the state as of the last applied
 * entry, whose writing begins; `keep_after`: the older snapshot's index, the log is kept behind it. */
MUST_USE bool core_snapshot_begin(struct core *core, uint64_t keep_after, struct core_snapshot *snapshot);
void core_snapshot_deinit(struct core_snapshot *snapshot);

/* When core_timeout is due. */
uint64_t core_deadline_ms(const struct core *core);
/* True if there are other voters. */
static inline bool core_has_peers(const struct core *core)
{
    return core->options.voter_count > 1;
}
/* What `id` is known to have on disk, if leader; else 0. */
uint64_t core_match_index(const struct core *core, int32_t id);
int32_t core_leader_id(const struct core *core);

/* Raft ids begin at 1, node ids at 0. */
static inline raft_id core_raft_id(int32_t id)
{
    return (raft_id)id + 1;
}

static inline int32_t core_node_id(raft_id id)
{
    return (int32_t)(id - 1);
}

/* Between core.c and core_update.c. */

/* One event through the library, and its update turned into effects. Not zero: only for submissions and transfers. */
int core_step(struct core *core, struct raft_event *event);
/* After the steps of an event: applies what is committed, completes proposals, reports the role. */
void core_settle(struct core *core);
struct core_effect *core_effect(struct core *core, enum core_effect_kind kind);
void core_fail(struct core *core, const char *what);
/* The end of a proposal that is in no list. */
void core_finish(struct core *core, struct quorum_proposal *proposal, enum status status);
void core_send(struct core *core, int32_t peer, struct edge_message *message);
/* Puts one entry of ours into the log by the library. */
void core_submit_barrier(struct core *core);
struct raft_configuration core_configuration_decode(struct core *core, struct bytes encoded);

#endif
