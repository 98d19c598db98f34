/* The driver of `millrace produce`: what its two files share. produce_command.c reads input and runs the loop,
 * produce_send.c talks to the leaders. Callbacks only note what happened and wake the loop; deciding happens between
 * its turns. */
#ifndef CLI_PRODUCE_H
#define CLI_PRODUCE_H

#include "cli/produce_input.h"
#include "cli/producer.h"
#include "cli/properties.h"
#include "cli/routes.h"

/* Error lines about records; further ones are only counted. */
#define PRODUCE_COMPLAINTS_MAX 10

struct produce {
    struct cli *cli;
    struct session *session;
    struct client_properties properties;
    struct producer producer;
    struct routes routes;
    struct list calls;   /* of struct produce_call, in flight */
    bool woken;          /* something happened since the loop looked */
    bool stale;          /* leaders should be asked for again */
    uint64_t asked_ns;   /* when they were last */
    int complaints;
};

/* Sends all that may be sent now. */
void produce_send(struct produce *produce);
/* Gets or renews the producer's identity; false after an error line if that cannot be. */
bool produce_identify(struct produce *produce);
/* Passes what the routes say on to the producer. */
void produce_take_routes(struct produce *produce);
/* An error line about a partition, unless there were many already. */
void produce_complain(struct produce *produce, int32_t partition, const char *where, int16_t code,
                      struct string message);

#endif
