/* Host and port, listeners and voters as Kafka's configs write them:
 *
 *     bootstrap servers   host:port,host:port               [::1]:9092 for IPv6
 *     listeners           NAME://host:port,...              an empty host: all interfaces
 *     voters              id@host:port,...
 *
 * What is returned lives in the arena; texts have a zero byte behind them. */
#ifndef CONFIG_ADDRESSES_H
#define CONFIG_ADDRESSES_H

#include "common/config/config_definition.h"

#include <stdint.h>

#define CONFIG_HOST_MAX 255
#define CONFIG_LISTENERS_MAX 8
#define CONFIG_VOTERS_MAX 5

struct config_address {
    struct string host; /* without brackets; may be empty for a listener */
    uint16_t port;      /* 0 only for a listener: any */
};

struct config_listener {
    struct string name; /* A-Z 0-9 _ */
    struct config_address address;
};

struct config_voter {
    int32_t id;
    struct config_address address;
};

/* "host:port" or "[v6]:port"; the host must not be empty and the port not 0. */
MUST_USE enum status config_address_parse(struct string text, struct arena *arena, struct config_address *address,
                                          struct config_problem *problem);
/* The items of a list value. Names and ports (but 0) must differ. */
MUST_USE enum status config_listeners_parse(const struct config_value *list, struct arena *arena,
                                            struct config_listener **listeners, size_t *count,
                                            struct config_problem *problem);
/* Ids must differ. */
MUST_USE enum status config_voters_parse(const struct config_value *list, struct arena *arena,
                                         struct config_voter **voters, size_t *count, struct config_problem *problem);
MUST_USE enum status config_addresses_parse(const struct config_value *list, struct arena *arena,
                                            struct config_address **addresses, size_t *count,
                                            struct config_problem *problem);

/* Checks for rows of tables. */
MUST_USE enum status config_check_listeners(const struct config_value *value, struct arena *arena,
                                            struct config_problem *problem);
MUST_USE enum status config_check_voters(const struct config_value *value, struct arena *arena,
                                         struct config_problem *problem);
MUST_USE enum status config_check_addresses(const struct config_value *value, struct arena *arena,
                                            struct config_problem *problem);

#endif
