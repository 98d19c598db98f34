/* The smallest program that needs all of the env: an echo server that makes what it hears durable before it answers,
 * and clients that check every byte. It tests the simulator, not Millrace.
 *
 *     client --bytes--> server loop 0 accepts, hands over by message --> loop n: job writes and syncs --> bytes back */
#ifndef SIM_CHATTER_H
#define SIM_CHATTER_H

#include "tests/sim/sim.h"

#define CHATTER_PORT 7

struct chatter_server {
    struct sim_program program; /* for sim_process_add */
    unsigned conversations;     /* accepted, over all incarnations */
    uint64_t echoed;            /* bytes, over all incarnations */
};

struct chatter_client {
    struct sim_program program; /* for sim_process_add */
    const char *server;         /* host name */
    uint64_t size;              /* bytes to send and to hear again, in one connection */
    uint64_t checked;           /* so far in this connection */
    unsigned connections;       /* opened */
    unsigned closes;
    enum status last_close;
    bool done;
    bool stop_reading;          /* from now on it takes no bytes */
};

void chatter_server_init(struct chatter_server *server);
/* Connects again after 100 ms until it has heard `size` bytes in one connection; then it ends its loop. */
void chatter_client_init(struct chatter_client *client, const char *server, uint64_t size);

#endif
