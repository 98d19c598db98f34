/* What passes between controllers, and the rules that keep the Raft library safe from it.
 *
 * A connection is one-way: the sender opens it, writes the preamble (quorum.h) and then frames, all numbers big-endian:
 *
 *      0  u32  magic "MLRF"             24  i32  sender
 *      4  u8   version                  28  i32  receiver
 *      5  u8   kind                     32  u64  the sender's real term (rule Q4)
 *      6  u16  flags (1: stale, Q3)     40  u32  body size
 *      8  16   cluster id               44  u32  CRC-32C of the body
 *                                       48  12   zero
 *                                       60  u32  CRC-32C of bytes 0-59
 *     64  body, by kind (edge_frame.c)
 *
 * Decoding trusts nothing: every count and length is held against what is left and a limit. A frame that does not
 * decode closes the connection.
 *
 * The rules (edge.c) are pure functions of a message and a view of the node that got it. Numbers as in D6:
 *
 *     Q1   an AppendEntries never reaches below the commit index
 *     Q2   a configuration entry is the first of its AppendEntries
 *     Q3   requests of older terms are answered here, marked stale
 *     Q4   frames carry the sender's real term; a denied pre-vote of a higher term makes the candidate adopt it
 *     Q7   vote results only for candidates; one snapshot at a time
 *     Q8   bytes per message are bounded (splitting happens in the encoder, core_update.c)
 *     Q11  one live connection per sender (quorum.c)
 *
 * Q5 and Q6 concern membership changes, which do not exist yet; Q9 and Q10 are kept by core.c and quorum.c. */
#ifndef QUORUM_EDGE_H
#define QUORUM_EDGE_H

#include "controller/quorum/log.h"
#include "controller/quorum/quorum.h"

#define EDGE_HEADER_SIZE 64
#define EDGE_MAGIC 0x4d4c5246U
#define EDGE_VERSION 1
#define EDGE_INDEX_MAX (UINT64_C(1) << 62)
/* A peer whose term is this much ahead is broken, not ahead. */
#define EDGE_TERM_JUMP_MAX (UINT64_C(1) << 32)
/* Entries of one message that share a frame; more go into the next. */
#define EDGE_APPEND_BYTES_MAX (1024 * 1024)
#define EDGE_APPEND_COUNT_MAX 4096
/* What one AppendEntries of the library may become in frames. The rest is left out, as if it had been lost. */
#define EDGE_APPEND_TOTAL_MAX ((size_t)16 * 1024 * 1024)
#define EDGE_CHUNK_BYTES_MAX (1024 * 1024)
#define EDGE_CONFIGURATION_BYTES_MAX 512

enum edge_kind {
    EDGE_APPEND = 1,
    EDGE_APPEND_RESULT = 2,
    EDGE_VOTE = 3,
    EDGE_VOTE_RESULT = 4,
    EDGE_SNAPSHOT_CHUNK = 5,
    EDGE_TIMEOUT_NOW = 6,
    EDGE_KIND_LAST = EDGE_TIMEOUT_NOW
};

struct edge_entry {
    uint64_t term;
    enum log_entry_kind kind;
    struct bytes data; /* borrows the frame */
};

struct edge_append {
    uint64_t previous_index;
    uint64_t previous_term;
    uint64_t commit_index;
    struct edge_entry *entries; /* owned by the message */
    uint32_t count;
};

struct edge_append_result {
    uint64_t rejected;
    uint64_t last_index;
};

struct edge_vote {
    uint64_t last_index;
    uint64_t last_term;
    bool disrupt_leader;
    bool pre_vote;
};

struct edge_vote_result {
    bool granted;
    bool pre_vote;
};

struct edge_chunk {
    uint64_t last_index;
    uint64_t last_term;
    uint64_t configuration_index;
    uint64_t total;  /* bytes of the snapshot */
    uint64_t offset; /* of `data` in it */
    uint32_t crc;    /* of the whole snapshot */
    struct bytes configuration; /* borrows the frame */
    struct bytes data;          /* borrows the frame */
};

struct edge_timeout_now {
    uint64_t last_index;
    uint64_t last_term;
};

struct edge_message {
    enum edge_kind kind;
    bool stale;
    int32_t sender;
    int32_t receiver;
    uint64_t sender_term; /* what the sender's term really is */
    uint64_t term;        /* what the message says */
    union {
        struct edge_append append;
        struct edge_append_result append_result;
        struct edge_vote vote;
        struct edge_vote_result vote_result;
        struct edge_chunk chunk;
        struct edge_timeout_now timeout_now;
    };
};

/* Who talks in which cluster; frames of others do not decode. */
struct edge_identity {
    struct uuid cluster_id;
    int32_t id;
};

/* Appends the frame of `message` to `into`. */
void edge_encode(struct edge_identity identity, const struct edge_message *message, struct buffer *into);

/* Bounds of decoding. */
struct edge_limits {
    size_t entry_bytes_max;
    size_t snapshot_bytes_max;
};

/* Looks at the start of `data`. STATUS_OK: *size is the size of the first frame, which may not be complete yet.
 * STATUS_END: more bytes are needed to tell. STATUS_CORRUPT, STATUS_TOO_LARGE, STATUS_INVALID (other cluster or
 * node). */
MUST_USE enum status edge_frame_size(struct edge_identity identity, struct edge_limits limits, struct bytes data,
                                     size_t *size);
/* Decodes one whole frame whose header edge_frame_size has accepted. STATUS_CORRUPT if it is not well-formed, and then
 * there is nothing to deinit. The message borrows `frame`. */
MUST_USE enum status edge_decode(struct bytes frame, struct edge_limits limits, struct edge_message *message);
void edge_message_deinit(struct edge_message *message);

/* The library's encoding of a voter set is checked here, because its own decoder trusts the bytes. True: well-formed,
 * exactly these voters (ids ascending, as raft ids). */
bool edge_configuration_is(struct bytes encoded, const int32_t *ids, int count);

enum edge_role { EDGE_FOLLOWER, EDGE_CANDIDATE, EDGE_LEADER };

/* What the rules need to know about the node that got a message. */
struct edge_view {
    enum edge_role role;
    uint64_t term;
    uint64_t commit_index;
    uint64_t commit_term; /* term of the entry at commit_index */
    uint64_t match_index;    /* if leader: what the sender is known to have */
    uint64_t snapshot_index; /* of our own newest snapshot */
    uint64_t chunk_term;     /* snapshot chunks: our term at their last index; 0: not known */
    bool log_empty;
    bool installing;      /* a snapshot of the leader is on its way to the disk */
    bool saving;          /* a snapshot of our own is */
};

enum edge_verdict {
    EDGE_DELIVER,
    EDGE_DROP,
    EDGE_REPLY_STALE, /* Q3: answer {our term, stale} */
    EDGE_ADOPT_TERM,  /* Q4: feed a RequestVote of the sender's term that cannot be granted */
    EDGE_HOLD,        /* Q7: deliver when our own snapshot is on disk */
    EDGE_BROKEN,      /* committed entries contradict each other: the process must end */
};

/* Judges a decoded message before the library sees it; Q1 may rewrite an append in place. */
enum edge_verdict edge_judge(const struct edge_rules *rules, const struct edge_view *view,
                             struct edge_message *message);

/* Q2: how many entries from `first` on may be given to the library together; at least 1 if any are left. */
uint32_t edge_piece(const struct edge_rules *rules, const struct edge_append *append, uint32_t first);

#endif
