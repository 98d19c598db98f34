/* Decisions about configs of topics and nodes: changing single keys (KIP-339) and replacing all of a resource's.
 * Reading them is config_describe's. Each resource succeeds or fails by itself; a resource is changed as a whole or
 * not at all. */
#ifndef STATE_CONFIG_TABLE_H
#define STATE_CONFIG_TABLE_H

#include "controller/state/decision.h"

struct alter_configs_request;
struct alter_configs_response;
struct incremental_alter_configs_request;
struct incremental_alter_configs_response;

void config_table_alter(const struct decision *decision, const struct incremental_alter_configs_request *request,
                        struct incremental_alter_configs_response *response);
void config_table_replace(const struct decision *decision, const struct alter_configs_request *request,
                          struct alter_configs_response *response);

#endif
