/* What storage nodes and controllers share: identity, listeners, quorum, sockets, the process's log, and the cluster's
 * defaults for topics (controllers need them for CreateTopics, nodes for the logs). Plus values that several keys make
 * together. */
#ifndef CONFIG_SERVER_CONFIG_H
#define CONFIG_SERVER_CONFIG_H

#include "common/config/config.h"
#include "common/env/net.h"

extern const struct config_table server_identity_keys;
extern const struct config_table server_network_keys;
extern const struct config_table server_topic_keys;
extern const struct config_foreign_key server_foreign_keys[];

/* Everything returned is borrowed from the config or lives in `arena`; the texts were checked when the config was
 * read. */

/* `listeners` of this process. */
struct config_listener *server_config_listeners(const struct config *config, struct arena *arena, size_t *count);
/* advertised.listeners; a listener that is not named there advertises its own address ("localhost" if it listens
 * everywhere). */
struct config_listener *server_config_advertised(const struct config *config, struct arena *arena, size_t *count);
/* controller.quorum.voters; may be empty on a storage node. */
struct config_voter *server_config_voters(const struct config *config, struct arena *arena, size_t *count);
/* socket.* of its listeners and their connections. */
struct listener_options server_config_sockets(const struct config *config);
/* max.connections.per.ip; UINT32_MAX if it is no limit. */
uint32_t server_config_connections_per_address(const struct config *config);
/* Where controllers answer: controller.quorum.bootstrap.servers, or else the voters' addresses. Never empty. */
struct config_address *server_config_controllers(const struct config *config, struct arena *arena, size_t *count);

/* Topic defaults that Kafka spreads over keys of several units. */
int64_t server_config_roll_ms(const struct config *config);        /* log.roll.ms, log.roll.hours */
int64_t server_config_roll_jitter_ms(const struct config *config); /* log.roll.jitter.ms, log.roll.jitter.hours */
/* log.retention.ms, .minutes, .hours; -1: no limit */
int64_t server_config_retention_ms(const struct config *config);

/* Rules between shared keys, for the `check` of both schemas. */
MUST_USE enum status server_config_check(const struct config *config, struct arena *arena, const char *role,
                                         struct config_problem *problem);

#endif
