/* A client that administers: creates, deletes and grows topics, changes configurations and deletes records, by any node
 * or controller, one request at a time. What was answered as done is part of the ledger and must be true in the end.
 *
 *     storm    never trimmed, grows
 *     trim     small retention, time-based rolls, DeleteRecords
 *     churn    deleted and created again under the same name
 *     final    created at the end: the cluster takes orders again */
#ifndef SIM_OPERATOR_H
#define SIM_OPERATOR_H

#include "tests/sim/ledger.h"

struct image;

#define OPERATOR_VALUES_MAX 64

struct operator_options {
    struct ledger *ledger;
    const char *const *hosts;       /* nodes, NULL at the end */
    uint16_t port;
    const char *const *controllers; /* likewise */
    uint16_t controller_port;
    uint64_t pace_most_ns;
    int32_t partitions;             /* of new topics */
};

struct operator {
    struct sim_program program; /* for sim_process_add; one loop */
    struct operator_options options;
    bool finishing;
    bool finished;
    uint64_t done;
    uint64_t failed;
    /* retention.bytes of `trim`: what it may be. The first was acknowledged, the others may have come. */
    int64_t values[OPERATOR_VALUES_MAX];
    int value_count;
    bool value_known; /* values[0] was acknowledged */
};

void operator_init(struct operator *operator, const struct operator_options *options);
/* From now on: only the last topic. Its process must run. */
void operator_finish(struct operator *operator);
/* As sim_run_until takes it. */
bool operator_is_finished(void *operator);
/* All that was acknowledged is in `image`, which is as new as the last answer; else the world fails. */
void operator_audit(const struct operator *operator, const struct image *image);

#endif
