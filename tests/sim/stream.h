/* The program's side of a connection: streams as common/env/net.h has them. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "common/env/net.h"
#include "tests/sim/process.h"

struct sim_stream;
struct sim_socket;

extern const struct net_ops sim_net_ops;

/* The system has news: data, room, an end, a failure. */
void stream_notice(struct sim_stream *stream);
void stream_connected(struct sim_stream *stream);

void streams_close_all(struct sim_loop *loop);
/* Frees them without a callback; their sockets are closed with the process' connections. */
void streams_abandon(struct sim_loop *loop);

#endif
