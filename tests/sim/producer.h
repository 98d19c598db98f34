/* A client that produces numbered records to every partition there is, with acks=all, and tells the ledger what it was
 * promised. Two kinds:
 *
 *     plain         a batch whose outcome is unknown is not sent again: it may turn up once or never
 *     idempotent    up to `window` batches of a partition under way at once; what was not acknowledged is sent again,
 *                   in order, until it is; a crash of the process ends its session, the next one has a new producer id
 */
#ifndef SIM_PRODUCER_H
#define SIM_PRODUCER_H

#include "tests/sim/ledger.h"

#define PRODUCER_WINDOW_MAX 5

struct producer_options {
    struct ledger *ledger;
    const char *const *hosts; /* nodes, NULL at the end */
    uint16_t port;
    bool idempotent;
    unsigned window;          /* 1 to PRODUCER_WINDOW_MAX; plain: 1 */
    uint64_t pace_most_ns;    /* between two batches */
};

struct producer {
    struct sim_program program; /* for sim_process_add; one loop */
    struct producer_options options;
    bool finishing;
    bool finished;
    uint64_t acknowledged;      /* batches */
    uint64_t refused;           /* answered with an error */
    uint64_t unanswered;
    uint64_t acknowledged_again; /* of them, sent more than once */
};

void producer_init(struct producer *producer, const struct producer_options *options);
/* From now on: what is under way, and one more batch to each partition of a topic that nobody deletes; then it is
 * finished. Its process must run. */
void producer_finish(struct producer *producer);
/* As sim_run_until takes it. */
bool producer_is_finished(void *producer);

#endif
