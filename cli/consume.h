/* The driver of `millrace consume`: what its two files share. consume_command.c prepares and runs the loop,
 * consume_fetch.c talks to the leaders. One full fetch per leader is under way at any time. */
#ifndef CLI_CONSUME_H
#define CLI_CONSUME_H

#include "cli/consumer.h"
#include "cli/format.h"
#include "cli/properties.h"
#include "cli/routes.h"

struct fetch_call;

struct consume_partition {
    int32_t index;
    int64_t offset;      /* next to read */
    int64_t offset_stop; /* INT64_MAX: none */
    bool done;           /* nothing more is wanted of it */
    bool touched;        /* a fetch has succeeded */
    const struct fetch_call *fetch; /* that it is asked for in; NULL: none */
    uint64_t retry_ns;   /* not asked before */
    int16_t code;        /* last error, 0 if none */
};

struct consume {
    struct cli *cli;
    struct session *session;
    struct client_properties properties;
    struct routes routes;
    struct consumer consumer;
    struct consume_partition *partitions;
    size_t partition_count;
    struct format format;
    bool json;
    bool until_end;  /* -e */
    int64_t left;    /* records still wanted, INT64_MAX: all */
    int64_t printed;
    struct buffer out;
    bool woken;
    bool stale;
    bool failed;     /* an error line was printed */
    bool closed;     /* nobody reads our output */
    uint64_t asked_ns;
    uint64_t progress_ns; /* when a fetch last succeeded */
};

/* Starts fetches from every leader that has none under way. */
void consume_fetch(struct consume *consume);
/* True if nothing more is to be read. */
bool consume_done(const struct consume *consume);
/* Writes what has been printed so far. */
void consume_flush(struct consume *consume);

#endif
