/* The controller as a replicated state machine: what the quorum has committed, what is decided and on its way, and who
 * is active.
 *
 *     request --> decide on `ahead` --> records --> batch --> quorum --> apply on `image` --> answer
 *                       ^                 |                    |   \--> metadata log --> fetches of nodes
 *                       '-- replayed  <---'                    '--> the other controllers apply it too
 *
 * Only the active controller decides: the leader of the quorum, once it has applied everything that earlier leaders
 * committed. `ahead` is the image with all decided batches, committed or not, so that requests pipeline.
 *
 * A batch says, in its header, at which offset and in which term it was decided. Applying checks both: if it is not
 * exactly the next one, a batch before it was lost, so what it was decided on never came to be; every controller passes
 * over it alike, and its request fails. So no failure of a proposal can make the log contradict itself.
 *
 * Everything here happens on one loop. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "common/config/config.h"
#include "common/metadata/image.h"
#include "common/metadata/records.h"
#include "controller/machine/forwarder.h"
#include "controller/machine/metadata_log.h"
#include "controller/machine/observers.h"
#include "controller/machine/snapshot_cache.h"
#include "controller/quorum/quorum.h"
#include "controller/state/decision.h"
#include "controller/state/heartbeat_table.h"

/* Between quorum_propose and its answer. Embedded in its owner, who keeps it until `done`. */
struct machine_write {
    /* STATUS_OK: applied, its first record at `offset`. STATUS_NOT_LEADER: certainly not done. STATUS_UNKNOWN_OUTCOME:
     * perhaps done. STATUS_TOO_LARGE, STATUS_FULL: not done. STATUS_INVALID: what was decided cannot be; not done.
     * STATUS_CLOSED: the controller stops, perhaps done. Never called inside machine_propose. */
    void (*done)(struct machine_write *write, enum status status);
    void *context;
    int64_t offset;
    /* Private to the machine. */
    struct list link;
    struct quorum_proposal proposal;
    struct machine *machine;
    size_t size;
    enum status refused; /* not proposed: why */
    bool passed_over;
};

struct machine_options {
    struct quorum_options quorum;
    const struct config *config; /* borrowed: defaults of topics */
    char cluster_id[UUID_TEXT_SIZE + 1];
    char listener_name[64];      /* of the controllers' addresses */
    uint64_t session_timeout_ns;
    size_t log_bytes_max;        /* batches kept in memory for nodes */
    uint32_t forward_timeout_ms; /* for an answer of the active controller */
    size_t forwarded_max;        /* requests that wait for the connection to it */
};

struct machine_handler {
    /* The quorum cannot go on (quorum.h). */
    void (*fatal)(void *context, const char *what, enum status why);
    /* The active controller changed. May be NULL. */
    void (*role)(void *context);
};

struct machine {
    struct env *env;
    struct machine_options options;
    const struct machine_handler *handler;
    void *context;
    struct quorum *quorum; /* NULL before it is created and after it is gone */
    struct image *image;   /* committed */
    bool failed;

    bool active;
    bool closing;
    uint64_t term;
    int32_t leader_id; /* QUORUM_ID_UNKNOWN if unknown */
    struct env_hook lead_hook;      /* first work of an active controller, outside of the quorum's callbacks */
    struct env_timer orphan_timer;  /* no leader for so long that nodes should ask elsewhere */
    bool orphaned;

    struct image *ahead;      /* NULL while nothing is on its way: the image is the newest then */
    struct list writes;       /* of struct machine_write, as proposed */
    struct list refused;      /* of those that were not proposed, waiting for their `done` */
    size_t writes_bytes;
    bool doubtful;            /* one of them failed: no decisions until all are back */
    struct env_hook refused_hook;
    struct machine_write feature_write; /* the first batch of a cluster's life */
    bool feature_writing;

    struct heartbeat_table heartbeats;
    struct env_timer session_timer;
    uint64_t session_deadline_ns; /* when it should fire */

    struct metadata_log log;
    struct snapshot_cache snapshots;
    struct observers observers;
    struct forwarder forwarder;
    struct list watches;      /* of struct machine_watch */
    struct env_hook watch_hook;
    uint64_t passed_over_total;
};

/* Opens the quorum in options->quorum.directory, which may block on the disk. On failure handler->fatal was called and
 * *out is NULL. Borrows handler and context for the machine's life. */
MUST_USE enum status machine_create(struct env *env, const struct machine_options *options,
                                    const struct machine_handler *handler, void *context, struct machine **out);
/* Ends decisions, fetches and forwarding: everything that waits is called back, in this or a later turn. The quorum is
 * closed. */
void machine_close(struct machine *machine, void (*closed)(void *context), void *context);
/* After `closed`. */
void machine_destroy(struct machine *machine);

/* Whether this controller may decide now. */
static inline bool machine_is_active(const struct machine *machine)
{
    return machine->active && !machine->doubtful && !machine->closing;
}

/* The image that decisions of the active controller are made on. Borrowed until the next machine_propose. */
static inline struct image *machine_newest(const struct machine *machine)
{
    return machine->ahead != NULL ? machine->ahead : machine->image;
}

/* Fills *decision for a decision made now; `records` gets ready for it. Only if machine_is_active. */
void machine_begin(struct machine *machine, struct arena *arena, struct record_list *records,
                   struct decision *decision);
/* Proposes the records of a decision, at least one, made on machine_newest just now. */
void machine_propose(struct machine *machine, const struct record_list *records, struct machine_write *write);
/* For answers that changed nothing: `done` comes when everything decided so far is committed and this controller was
 * still the active one after this call. */
void machine_barrier(struct machine *machine, struct machine_write *write);

/* Somebody who waits for the log to grow or for this controller to lose touch. `wake` comes at the end of the turn in
 * which that happened. Embedded. */
struct machine_watch {
    struct list link;
    void (*wake)(struct machine_watch *watch);
};
void machine_watch(struct machine *machine, struct machine_watch *watch);
/* Wakes all: also used when the machine closes. */
void machine_wake_watches(struct machine *machine);

/* Between the files of this folder. */

/* A committed entry; false: it was passed over. */
bool machine_apply(struct machine *machine, uint64_t index, uint64_t term, struct bytes entry);
/* Decisions end: this controller is not the active one any more. */
void writes_abandon(struct machine *machine);
void writes_init(struct machine *machine);
/* A batch was applied or a heartbeat counted: the session timer runs if there is a session. */
void sessions_arm(struct machine *machine);
/* The connection that a node was last heard on broke. */
void sessions_lost(struct machine *machine, int32_t broker_id, const void *connection);
void sessions_init(struct machine *machine);
/* Every node has a whole session from now on. */
void sessions_restart(struct machine *machine);
void sessions_stop(struct machine *machine);

#endif
