/* Connections that write: each has a ring of requests in flight, sends what is new in one call, and checks that answers
 * come in order, for the right partition, without error. */
#ifndef BENCH_PRODUCER_H
#define BENCH_PRODUCER_H

#include "tests/bench/load.h"

struct producer;

/* Connects to the leaders and, in a closed loop, begins. */
void producers_open(struct load *load);
/* Sends what is due at `now` (open loop). */
void producers_schedule(struct load *load, uint64_t now);
/* Ends the connections. */
void producers_close(struct load *load);
void producer_event(struct load *load, struct producer *producer);

#endif
