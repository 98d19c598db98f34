/* A client that reads: from anywhere in any partition (the beginning, the middle, a time, the tail) a while on, and
 * holds what it gets against the ledger. Asked to verify, it reads every partition of every topic that nobody deletes,
 * from its start to its high watermark, and audits. */
#ifndef SIM_CONSUMER_H
#define SIM_CONSUMER_H

#include "tests/sim/ledger.h"

struct consumer_options {
    struct ledger *ledger;
    const char *const *hosts; /* nodes, NULL at the end */
    uint16_t port;
    uint64_t pace_most_ns;    /* between two readings */
};

struct consumer {
    struct sim_program program; /* for sim_process_add; one loop */
    struct consumer_options options;
    bool verifying;
    bool verified;
    uint32_t readings;
    uint64_t records;           /* read in all */
    uint64_t out_of_range;
    uint64_t damaged;           /* batches with a wrong checksum, where disks rot */
};

void consumer_init(struct consumer *consumer, const struct consumer_options *options);
/* Its process must run. */
void consumer_verify(struct consumer *consumer);
/* As sim_run_until takes it. */
bool consumer_has_verified(void *consumer);

#endif
