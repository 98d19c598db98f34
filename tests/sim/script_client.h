/* A client that does what it is told, one errand at a time: the hands of a scenario. It finds leaders, connects, tries
 * again as clients do, and reports in words. It never crashes; the errand, which its owner keeps outside the process,
 * holds the result. */
#ifndef SIM_SCRIPT_CLIENT_H
#define SIM_SCRIPT_CLIENT_H

#include "tests/sim/sim.h"

#include "common/base/bytes.h"

#define SCRIPT_SERVERS_MAX 16
#define SCRIPT_RECORDS_MAX 256
#define SCRIPT_TEXT_MAX 256
#define SCRIPT_VALUE_MAX 80

enum errand_kind {
    ERRAND_CREATE_TOPIC,
    ERRAND_DELETE_TOPIC,
    ERRAND_PRODUCER_ID,
    /* The rest are for the partition's leader. */
    ERRAND_PRODUCE,
    ERRAND_CONSUME,
    ERRAND_OFFSETS,
    ERRAND_DELETE_RECORDS
};

/* What was read. */
struct errand_record {
    int64_t offset;
    char value[SCRIPT_VALUE_MAX + 1]; /* longer ones are cut */
};

struct errand {
    enum errand_kind kind;
    const char *topic;
    int32_t partition;
    const char *server;   /* host to ask instead of any node, or NULL; not for the leader's errands */
    uint16_t server_port;
    bool once;            /* a refusal is the result */
    uint64_t patience_ns; /* else it is tried again for that long */

    int32_t partitions;          /* create */
    const char *const *settings; /* create: "key=value", NULL at the end */
    struct string value;         /* produce: of each record; if there are several, with " NUMBER" behind it */
    int32_t count;               /* produce */
    int16_t acks;                /* produce */
    int64_t producer_id;         /* produce: -1 if it is none; the answer of PRODUCER_ID */
    int16_t producer_epoch;      /* likewise */
    int32_t sequence;            /* produce: of the first record */
    int64_t offset;              /* consume: from here; delete records: before it */

    bool done;
    bool good;
    char refusal[SCRIPT_TEXT_MAX]; /* why it is not good */
    int64_t first_offset;          /* produce; start of the log for the others */
    int64_t end_offset;            /* high watermark: consume, offsets */
    struct errand_record records[SCRIPT_RECORDS_MAX];
    int32_t record_count;          /* read; those beyond the array are counted only */
};

struct script_client {
    struct sim_program program; /* for sim_process_add; one loop */
    const char *const *nodes;   /* host names, NULL at the end */
    uint16_t port;
    struct script_run *run;
    /* Told why it tries again, once, if that goes on for longer than two seconds. */
    void (*tell)(void *context, const char *text);
    void *context;
};

/* Borrows all that is pointed to. */
void script_client_init(struct script_client *client, const char *const *nodes, uint16_t port,
                        void (*tell)(void *context, const char *text), void *context);
/* Starts it on the running client; `errand->done` tells when it is over. One at a time. */
void script_client_start(struct script_client *client, struct sim_process *process, struct errand *errand);

#endif
