/* Streams for fuzzers: what one end sends is kept to be looked at, what it receives is fed by hand. Nothing happens but
 * in fuzz_net_run, fuzz_net_feed and fuzz_net_end. */
#ifndef FUZZ_NET_H
#define FUZZ_NET_H

#include "common/base/buffer.h"
#include "common/env/net.h"

struct fuzz_net {
    struct net net;
    struct list streams; /* of struct fuzz_stream */
    bool opens;          /* connections that are asked for open; else they wait for ever */
    bool slow;           /* sends stay queued */
};

struct fuzz_stream {
    struct stream stream;
    struct list link;
    const struct stream_handler *handler;
    void *context;
    struct list sends;  /* queued */
    size_t unsent;
    struct buffer sent; /* everything that was taken */
    bool keep_sent;
    bool connecting;
    bool closing;
    bool ended;         /* the peer closed, the user does not know yet */
    bool *gone;         /* set when it is freed; may be NULL */
    enum status why;
};

void fuzz_net_init(struct fuzz_net *net);
/* Every stream must be gone. */
void fuzz_net_deinit(struct fuzz_net *net);
/* What net_adopt takes: the address of a pointer, which gets the stream. */
struct net_accepted *fuzz_net_accepted(struct fuzz_stream **stream);
/* Opens, sends, closes what is due; true if anything happened. */
bool fuzz_net_run(struct fuzz_net *net);
/* Gives bytes to a stream as its user takes them, at most `chunk_max` at once; returns how many were taken. Less than
 * all: the user has no space now, or the stream is closing. */
size_t fuzz_net_feed(struct fuzz_stream *stream, struct bytes bytes, size_t chunk_max);
/* The peer closed. */
void fuzz_net_end(struct fuzz_stream *stream);

#endif
