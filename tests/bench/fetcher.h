/* Connections that read, one partition and one request at a time. Two manners:
 *
 *   catching up    from offset 0 on, again and again, never near the end; record bytes are discarded in the kernel
 *   at the tail    waits for what is new, looks into every batch for the time at which it was to be sent
 */
#ifndef BENCH_FETCHER_H
#define BENCH_FETCHER_H

#include "tests/bench/load.h"

struct fetcher;

/* Connects to the leaders and begins. */
void fetchers_open(struct load *load, uint32_t count);
/* Ends the connections. */
void fetchers_close(struct load *load);
void fetcher_event(struct load *load, struct fetcher *fetcher);

#endif
