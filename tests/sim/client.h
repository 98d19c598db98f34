/* A client of a simulated cluster: creates a topic, produces numbered records to its partitions with acks=all, one
 * batch at a time, and reads everything back. Whatever goes wrong it tries again, at another node if need be, until it
 * is done.
 *
 * What it was promised is kept outside its process: a crash of the client forgets nothing that was acknowledged. The
 * reading half is a checker: every acknowledged record is there, at its offset, and nothing is there that was not
 * sent. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "tests/sim/sim.h"

#define CLIENT_PARTITIONS_MAX 16
#define CLIENT_NODES_MAX 8

/* An acknowledged batch. */
struct client_promise {
    int32_t partition;
    int64_t offset;        /* of the first record */
    uint64_t number_first; /* of the records: their values */
    int32_t count;
};

struct client_options {
    const char *topic;
    int32_t partitions;
    int16_t replication;
    uint64_t records;            /* to be acknowledged in all */
    const char *const *settings; /* of the topic: "key=value", NULL at the end; may be NULL */
    const char *const *nodes;    /* host names to begin with, NULL at the end */
    uint16_t port;
};

struct client {
    struct sim_program program; /* for sim_process_add; one loop */
    struct client_options options;
    uint64_t next_number;       /* never sent before */
    uint64_t acknowledged;      /* records */
    struct client_promise *promises;
    size_t promise_count;
    size_t promise_capacity;
    uint64_t produce_errors;    /* answers with an error code, or none at all */
    bool produced;              /* all records are acknowledged */
    bool verified;              /* and were read */
    uint64_t read_count;        /* records of the reading that ended well */
};

/* Borrows what `options` shows. */
void client_init(struct client *client, const struct client_options *options);
void client_deinit(struct client *client);
/* As sim_run_until takes it. */
bool client_is_done(void *client);
bool client_has_produced(void *client);
/* Lets the next incarnation, or this one, read everything once more. */
void client_verify_again(struct client *client);

#endif
