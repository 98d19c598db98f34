/* The controller's configuration: its schema and the values that several keys make together. */
#ifndef CONFIG_CONTROLLER_CONFIG_H
#define CONFIG_CONTROLLER_CONFIG_H

#include "common/config/server_config.h"

extern const struct config_table controller_keys;

const struct config_schema *controller_config_schema(void);

/* metadata.log.dir, else the first of log.dirs, else log.dir. */
const char *controller_config_directory(const struct config *config);

#endif
