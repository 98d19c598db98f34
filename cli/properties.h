/* Client properties by their Kafka names, as -X gives them: which exist, how they are read. */
#ifndef CLI_PROPERTIES_H
#define CLI_PROPERTIES_H

#include "cli/cli.h"
#include "cli/producer.h"

struct client_properties {
    struct producer_options producer;
    int16_t acks;              /* 0, 1, -1 */
    int32_t request_timeout_ms;
    int32_t fetch_max_wait_ms;
    int32_t fetch_min_bytes;
    int32_t fetch_max_bytes;
    int32_t partition_max_bytes; /* max.partition.fetch.bytes */
    bool read_committed;       /* isolation.level */
    bool check_crcs;
};

/* Kafka's defaults, then every -X. False after an error line: unknown name (with the nearest one), or a bad value. */
bool client_properties_read(const struct cli *cli, struct client_properties *properties);
/* Sets one property; on failure *why says what is wrong and, for unknown names, *nearest what may be meant. */
MUST_USE enum status client_property_set(struct client_properties *properties, const char *name, const char *value,
                                         const char **why, const char **nearest);
void client_properties_default(struct client_properties *properties);

#endif
