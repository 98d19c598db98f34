/* The replicated log of the controllers: entries proposed here are applied in the same order on every voter, and an
 * entry that was answered with STATUS_OK survives while a majority of the voters keeps its disks.
 *
 * Consensus itself is the Raft library's, driven by raft_step(); around it this folder has
 *
 *     quorum.c    wiring: performs effects on the env, feeds what comes back as events
 *     core.c      pure state around raft_step: memory log, proposals, timers as values
 *     edge.c      frames between controllers and the guard rules Q1-Q11 that the library needs
 *     wal.c       the log on disk;  snapshot.c: the snapshots next to it
 *     link.c      one outgoing connection per other voter
 *
 * Everything runs on the loop of the env that was given to quorum_create. Callbacks never come from inside a call of
 * this header, except those of quorum_create. */
#ifndef QUORUM_QUORUM_H
#define QUORUM_QUORUM_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"
#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/base/uuid.h"
#include "common/env/net.h"

#include <stdbool.h>
#include <stdint.h>

#define QUORUM_VOTERS_MAX 5
#define QUORUM_ID_UNKNOWN (-1)
/* The first bytes of a connection between controllers. As the size of a Kafka frame they would be absurd, so one port
 * can serve both. */
#define QUORUM_PREAMBLE_SIZE 8
extern const uint8_t quorum_preamble[QUORUM_PREAMBLE_SIZE];

struct env;
struct log_entry;
struct quorum;
struct quorum_inbound;

struct quorum_voter {
    int32_t id; /* the controller's node.id, >= 0 */
    char host[NET_HOST_MAX + 1];
    uint16_t port;
};

/* Guard rules of the edge. All are on in every program; tests and the simulator switch one off to see that its checkers
 * notice. */
struct edge_rules {
    bool q1_normalise_append; /* never let an AppendEntries reach below the commit index */
    bool q2_split_append;     /* a configuration entry is always the first of its AppendEntries */
    bool q3_answer_stale;     /* requests of older terms are answered by the edge */
    bool q4_adopt_term;       /* a denied pre-vote tells the candidate the voter's real term */
    bool q7_drop_votes;       /* vote results only for candidates; snapshots one at a time */
    bool q11_one_connection;  /* frames of an older connection are dropped */
};

#define EDGE_RULES_ALL ((struct edge_rules){true, true, true, true, true, true})

struct quorum_options {
    int32_t id; /* which of the voters this is */
    struct quorum_voter voters[QUORUM_VOTERS_MAX];
    int voter_count; /* 1 to QUORUM_VOTERS_MAX; the same set on every voter */
    struct uuid cluster_id;
    const char *directory;       /* borrowed for the quorum's life; created if missing */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint64_t snapshot_bytes;     /* a snapshot is taken when the log has grown by this much since the last one */
    uint32_t snapshot_interval_ms; /* and at the latest this long after the first new entry; 0: by size only */
    uint64_t segment_bytes;      /* size of one file of the log, preallocated; an entry may exceed it */
    size_t entry_bytes_max;      /* larger proposals are refused, larger entries from peers are protocol errors */
    size_t snapshot_bytes_max;   /* larger snapshots from peers are refused */
    size_t inflight_bytes_max;   /* proposals that are not applied yet, all together */
    uint32_t inflight_entries_max; /* sent to one voter and not acknowledged yet */
    struct edge_rules rules;
};

/* All callbacks get the context of quorum_create and borrow what they are shown. They may propose and ask for barriers,
 * but not destroy the quorum. */
struct quorum_handler {
    /* One committed entry, in order, each exactly once in the life of the quorum (after `restore`). */
    void (*apply)(void *context, uint64_t index, uint64_t term, struct bytes entry);
    /* Replaces the whole state: at start, or when a snapshot came from the leader. */
    void (*restore)(void *context, uint64_t index, uint64_t term, struct bytes snapshot);
    /* Appends the state as of the last applied entry to `into`. */
    void (*snapshot)(void *context, struct buffer *into);
    /* The role changed. `leader` true: this node leads in `term` and has applied everything that was committed before;
     * comes once per term. Otherwise `leader_id` is who leads, or QUORUM_ID_UNKNOWN. Proposals in flight were called
     * back before leadership is reported lost. */
    void (*role)(void *context, bool leader, uint64_t term, int32_t leader_id);
    /* The quorum cannot go on: the disk failed or an invariant is broken. The process must end; nothing is answered or
     * written from here on. `what` is a sentence for the operator. */
    void (*fatal)(void *context, const char *what, enum status why);
};

/* An entry or a barrier on its way. Embedded in its owner, which keeps it until `done`. */
struct quorum_proposal {
    /* STATUS_OK: applied at `index` in `term`. STATUS_NOT_LEADER: certainly not proposed. STATUS_UNKNOWN_OUTCOME:
     * leadership was lost, it may be committed or not. STATUS_FULL: too much in flight, try again later.
     * STATUS_TOO_LARGE. STATUS_CLOSED: the quorum was destroyed. */
    void (*done)(struct quorum_proposal *proposal, enum status status);
    uint64_t index; /* set with STATUS_OK */
    uint64_t term;
    /* Private to the quorum. */
    struct list link;
    struct log_entry *entry;
    enum status status;
};

/* From now on the Raft library's memory comes from common/base/memory.h. Once, before the first quorum of the
 * process. */
void quorum_use_memory(void);

/* Defaults for everything that has one: timeouts, sizes, rules. */
void quorum_options_init(struct quorum_options *options);

/* Opens `directory`: loads snapshot and log, restores the state (`restore` is called if there is a snapshot), formats a
 * pristine directory. Blocks on the disk. A sole voter will lead without an election, others start as followers. On
 * failure handler->fatal was called with a sentence, and the status is returned. STATUS_CORRUPT: acknowledged data is
 * damaged. STATUS_INVALID: the directory belongs to another node, cluster or voter set. STATUS_LOCKED: another process
 * has it. Else what the disk said. Borrows env, handler and context for the quorum's life. */
MUST_USE enum status quorum_create(struct env *env, const struct quorum_options *options,
                                   const struct quorum_handler *handler, void *context, struct quorum **out);
/* Calls back what is in flight with STATUS_CLOSED (from inside this call) and closes connections and files. Open
 * inbound links are closed through their callback. */
void quorum_destroy(struct quorum *quorum);

/* Proposes `entry` (borrowed for the call) on the leader. `proposal->done` must be set; it is called later. */
void quorum_propose(struct quorum *quorum, struct bytes entry, struct quorum_proposal *proposal);
/* Done with STATUS_OK when this node has applied everything that any leader had acknowledged before this call: what is
 * read from the state then is linearizable. One log entry serves all barriers that wait together. */
void quorum_barrier(struct quorum *quorum, struct quorum_proposal *proposal);
/* A leader hands leadership to the voter that is most up to date (before a planned stop). Does nothing elsewhere. */
void quorum_resign(struct quorum *quorum);

/* A connection from another controller was accepted and its preamble read. `close` is called at most once when the
 * quorum wants it closed; then, or when the connection closes by itself, the owner calls quorum_inbound_closed. */
struct quorum_inbound *quorum_inbound_open(struct quorum *quorum, void (*close)(void *context), void *context);
/* Bytes that came after the preamble, cut anywhere. False: close the connection. */
MUST_USE bool quorum_inbound_bytes(struct quorum_inbound *inbound, struct bytes data);
/* Frees it. */
void quorum_inbound_closed(struct quorum_inbound *inbound);

struct quorum_voter_status {
    int32_t id;
    uint64_t match_index;       /* known to be on its disk; 0 if this node does not lead */
    uint64_t last_contact_ns;   /* env time of the last frame from it; 0: none */
    uint64_t last_caught_up_ns; /* env time when it last had everything the leader had; 0: never */
};

struct quorum_status {
    int32_t id;
    uint64_t term;
    int32_t leader_id; /* QUORUM_ID_UNKNOWN if unknown */
    bool is_leader;    /* as reported by `role` */
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t snapshot_index;
    int voter_count;
    struct quorum_voter_status voters[QUORUM_VOTERS_MAX];
};

void quorum_status_get(const struct quorum *quorum, struct quorum_status *status);

/* For checkers that look on from outside of the loop. */
struct quorum_glimpse {
    uint64_t term;
    bool leading;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t base_index; /* entries up to here are not in memory: they are in a snapshot */
};

struct quorum_glimpse quorum_look(const struct quorum *quorum);
/* The entry at `index`: its term, its bytes (borrowed for the turn) and whether it is on this node's disk. False if it
 * is not in memory. */
MUST_USE bool quorum_look_at(const struct quorum *quorum, uint64_t index, uint64_t *term, struct bytes *entry,
                             bool *durable);

#endif
