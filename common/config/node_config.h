/* The storage node's configuration: its schema and the values that several keys make together. */
#ifndef CONFIG_NODE_CONFIG_H
#define CONFIG_NODE_CONFIG_H

#include "common/config/server_config.h"

extern const struct config_table node_keys;

const struct config_schema *node_config_schema(void);

/* log.dirs, else log.dir; at least one. Borrowed from the config. */
const struct string *node_config_log_dirs(const struct config *config, size_t *count);

#endif
