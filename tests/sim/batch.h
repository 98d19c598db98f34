/* Runs a workload on many seeds, in worker processes, and tells what failed, what led to it, and what was done. */
#ifndef SIM_BATCH_H
#define SIM_BATCH_H

#include "tests/sim/workload.h"

struct batch_options {
    const struct workload *workload;
    uint64_t first;
    uint64_t last;
    bool trace;    /* narrate all of it, in this process */
    bool twice;    /* each run twice: they must be equal */
    unsigned jobs; /* worker processes; one seed alone runs in this process */
};

/* True if no seed failed. */
bool batch_run(const struct batch_options *options);

#endif
