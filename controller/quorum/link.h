/* The outgoing connection to one other voter. Frames leave in order; what does not fit the queue or cannot be sent is
 * dropped, which Raft allows. A frame waits until the term and vote that it rests on are durable (its ticket).
 *
 *     waiting --connect--> connecting --opened--> open
 *        ^                     |                    |
 *        +---- closed, back-off 20 ms .. 1 s -------+
 *
 * A connection on which nothing moves, or whose voter says nothing although it was sent something, is given up after a
 * few seconds: the other machine may be gone without a word, and the system would try to reach it for minutes.
 *
 * A snapshot is sent in chunks beside the other frames, the next when the one before has left. */
#ifndef QUORUM_LINK_H
#define QUORUM_LINK_H

#include "common/env/env.h"
#include "controller/quorum/edge.h"
#include "controller/quorum/snapshot.h"

struct link_stream;

struct link {
    struct env *env;
    struct edge_identity identity;
    const struct quorum_voter *voter; /* borrowed */
    struct link_stream *stream;       /* NULL: waiting for the timer */
    bool open;
    bool closed;
    struct env_timer timer;   /* waiting: when to connect; else: when to give up */
    uint64_t backoff_ns;      /* falls back to the least after a connection that lived a while */
    uint64_t opened_ns;
    uint64_t sent_ns;         /* when the queue last moved or was empty */
    uint64_t unanswered_ns;   /* when something was sent to the voter that nothing came back for; 0: all is well */
    struct list held;         /* of struct link_frame, ascending tickets */
    size_t queued_bytes;      /* held and given to the stream */
    uint64_t durable_ticket;

    struct snapshot *snapshot; /* being sent, or NULL */
    uint64_t snapshot_term;    /* of the leader that sends it */
    size_t snapshot_offset;
    bool snapshot_busy;        /* a chunk is in the queue */
    uint64_t snapshot_sent_index; /* the last one that left completely ... */
    uint64_t snapshot_sent_ns;    /* ... and when */
};

void link_init(struct link *link, struct env *env, struct edge_identity identity, const struct quorum_voter *voter);
/* Starts connecting. */
void link_start(struct link *link);
void link_deinit(struct link *link);
/* Takes the frame's memory; it leaves when `ticket` is durable. */
void link_send(struct link *link, struct buffer *frame, uint64_t ticket);
/* A frame came from the voter. */
void link_heard(struct link *link);
void link_durable(struct link *link, uint64_t ticket);
/* Sends `snapshot` for the leader of `term` unless it is on its way or has just left. Shares it. */
void link_send_snapshot(struct link *link, struct snapshot *snapshot, uint64_t term);
/* No longer leader of that term: nothing of a snapshot is sent any more. */
void link_stop_snapshot(struct link *link);

#endif
