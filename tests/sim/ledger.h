/* What the clients of a cluster know between them: every record that was sent, where it was promised or seen to be, and
 * how far each partition was shown to reach. It lives outside all processes, so no crash forgets anything, and every
 * answer that a client gets is held against it:
 *
 *     L1 an offset of a partition holds one record for ever, and a record is at one offset
 *     L2 what is there was sent, to this partition, with these bytes and this time
 *     L3 an acknowledged record is there when everything is read, unless the log was allowed to begin behind it
 *     L4 records of one idempotent producer lie in the order in which it sent them, without one missing between
 *     L5 the high watermark never goes back, from one answer to a request that was sent after it; nor does the log
 *        start while the nodes run (a crash may bring back what retention or DeleteRecords had taken, as with Kafka:
 *        its place is written now and then)
 *     L6 a leader epoch of a partition has one leader
 *
 * A topic that `trims`, by retention or by DeleteRecords, may begin at any offset, and may take a record for a new one
 * that its log has forgotten. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "tests/sim/sim.h"

#include "common/base/bytes.h"
#include "common/base/uuid.h"

#define LEDGER_TOPICS_MAX 48
#define LEDGER_PARTITIONS_MAX 8
#define LEDGER_NAME_MAX 31
#define LEDGER_VALUE_MAX 300
#define LEDGER_EPOCHS_MAX 256
#define LEDGER_ERRORS_MAX 128

/* What is known of an offset. */
struct ledger_place {
    uint64_t number; /* of the record there, plus 1; 0: unknown */
    bool acknowledged;
    uint32_t read;   /* in the audit of this number */
};

struct ledger_epoch {
    int32_t epoch;
    int32_t leader;
};

struct ledger_partition {
    struct ledger_place *places; /* by offset */
    int64_t place_count;         /* 1 behind the last one that is known */
    int64_t place_capacity;
    int64_t high_watermark;      /* highest shown */
    int64_t start;               /* highest log start shown in the life `start_life` of the nodes */
    uint64_t start_life;
    int64_t acknowledged_end;
    int32_t leader;              /* newest known; -1: unknown */
    int32_t leader_epoch;
    struct ledger_epoch epochs[LEDGER_EPOCHS_MAX];
    int epoch_count;
};

struct ledger_topic {
    char name[LEDGER_NAME_MAX + 1];
    struct uuid id;
    bool trims;
    bool promised; /* its creation was acknowledged */
    bool deleting; /* somebody asked for that: it may be gone */
    bool deleted;  /* acknowledged: it is gone */
    int32_t partition_count;      /* highest seen */
    int32_t partitions_promised;  /* highest acknowledged */
    struct ledger_partition partitions[LEDGER_PARTITIONS_MAX];
};

struct ledger_record {
    uint8_t topic;
    uint8_t partition;
    uint16_t session;  /* of an idempotent producer; 0: none */
    uint32_t size;     /* that it takes in the log, about */
    int64_t timestamp;
    int64_t offset;    /* -1: unknown */
};

struct ledger {
    struct sim_world *world;
    struct ledger_topic *topics;
    int topic_count;
    struct ledger_record *records; /* by number */
    uint64_t record_count;
    uint64_t record_capacity;
    uint16_t session_count;
    int64_t *producer_ids;
    size_t producer_id_count;
    uint64_t acknowledged;
    uint64_t errors[LEDGER_ERRORS_MAX]; /* answers with that code */
    /* Disks change bits. Then L2 is left of what is said of records, but for offsets and leader epochs, which no
     * checksum of a batch covers. */
    bool rot;
    uint64_t rotten; /* times that something else was met */
    bool churn_trims; /* a request to delete records of "churn" may still be on its way, to whoever has the name then */
    void (*promised)(void *context); /* called when something was acknowledged; may be NULL */
    void *promised_context;
};

void ledger_init(struct ledger *ledger, struct sim_world *world);
void ledger_deinit(struct ledger *ledger);

/* The topic of that id, added if it is not known yet; NULL if there is no room for another one. */
struct ledger_topic *ledger_topic(struct ledger *ledger, struct string name, struct uuid id);
struct ledger_topic *ledger_find(struct ledger *ledger, struct uuid id);
/* The newest of that name that is not being deleted, or NULL. */
struct ledger_topic *ledger_find_name(struct ledger *ledger, const char *name);
/* Metadata says so. */
void ledger_leader(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int32_t epoch, int32_t leader);

/* A new idempotent producer: its records get this session. */
uint16_t ledger_session(struct ledger *ledger);
/* A producer was given this id: no other one ever was. */
void ledger_producer_id(struct ledger *ledger, int64_t producer_id);
/* `count` records are going to be sent; the number of the first. */
uint64_t ledger_send(struct ledger *ledger, const struct ledger_topic *topic, int32_t partition, uint16_t session,
                     int32_t count, int64_t timestamp);
/* The value that a record has; `value` has room for LEDGER_VALUE_MAX bytes. Returns its size. */
size_t ledger_value(uint64_t number, uint8_t *value);
/* The number that a value has, or UINT64_MAX if it is none. */
uint64_t ledger_number(struct bytes value);

/* An answer had this error code. */
void ledger_error(struct ledger *ledger, int16_t code);
/* A produce was answered: `count` records from `number` are at `offset`. */
void ledger_acknowledge(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t offset,
                        uint64_t number, int32_t count);
/* A consumer got this at `offset`, in audit `reading` or, 0, in none. False after a failure. */
bool ledger_observe(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t offset,
                    int64_t timestamp, struct bytes value, uint32_t reading);
/* What is known of a partition's bounds when a request goes out. */
struct ledger_floor {
    int64_t high_watermark;
    int64_t start;
    uint64_t life;
};
struct ledger_floor ledger_floor(const struct ledger *ledger, const struct ledger_topic *topic, int32_t partition);
/* The answer to that request; -1: it does not tell. */
void ledger_bounds(struct ledger *ledger, struct ledger_topic *topic, int32_t partition,
                   const struct ledger_floor *floor, int64_t high_watermark, int64_t start);
/* A partition was read from `start` to `end` in reading `reading`: is all there? */
void ledger_audit(struct ledger *ledger, struct ledger_topic *topic, int32_t partition, int64_t start, int64_t end,
                  uint32_t reading);
/* L4, everywhere; when everything was read. */
void ledger_audit_order(struct ledger *ledger);

#endif
