/* A core on the bench: fed by hand with frames that go through the codec as on a connection, its effects caught. */
#ifndef QUORUM_BENCH_H
#define QUORUM_BENCH_H

#include "controller/quorum/core.h"

#define BENCH_SENT_MAX 256

struct bench {
    struct core core;
    uint64_t now_ms;
    struct edge_message sent[BENCH_SENT_MAX]; /* decoded; appends' entries are owned here */
    struct buffer frames[BENCH_SENT_MAX];
    size_t sent_count;
    bool garbled;         /* a frame was sent that no edge would take */
    uint64_t ticket;      /* highest seen, not yet durable */
    uint64_t applied;     /* commands */
    uint64_t installs;
    uint64_t restores;
    bool leader;
    const char *fatal;
};

/* Voters 0, 1, 2; this one is `id`. `extra` entries of `extra_term` behind the first, all durable; hard state
 * `term`. */
void bench_init(struct bench *bench, int32_t id, struct edge_rules rules, uint64_t term, uint64_t extra,
                uint64_t extra_term);
void bench_deinit(struct bench *bench);
/* Encodes `message` as from `sender`, decodes it and hands it over. False: it does not decode. */
bool bench_deliver(struct bench *bench, int32_t sender, struct edge_message message);
/* Everything written becomes durable. */
void bench_sync(struct bench *bench);
/* Lets time pass until the next deadline. */
void bench_timeout(struct bench *bench);
/* Performs what came out. */
void bench_take(struct bench *bench);
/* Forgets what was sent. */
void bench_clear(struct bench *bench);
/* The last frame of a kind that was sent to anybody, or NULL. */
const struct edge_message *bench_last(const struct bench *bench, enum edge_kind kind);
/* The same, but NULL only if instead a frame was sent that no edge would take. With rule Q3 off the library answers
 * with an index that it never set, which may be anything. */
const struct edge_message *bench_last_or_garbled(const struct bench *bench, enum edge_kind kind);
/* The encoded voter set {0, 1, 2}; deinit it. */
struct buffer bench_configuration(void);

#endif
