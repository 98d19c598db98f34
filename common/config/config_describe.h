/* DescribeConfigs (KIP-133, KIP-226, KIP-569): the configs of topics, of one node, and of all nodes by default, with
 * where each value comes from. Controllers and storage nodes answer it alike. */
#ifndef CONFIG_CONFIG_DESCRIBE_H
#define CONFIG_CONFIG_DESCRIBE_H

#include "common/config/config.h"
#include "common/metadata/image.h"

struct arena;
struct describe_configs_request;
struct describe_configs_response;

struct config_describe_options {
    const struct image *image;
    const struct config *config; /* of the server that answers */
    /* of that server, as a storage node; -1 for a controller: no BROKER resource is its own */
    int32_t own_id;
};

/* Keeps one of each resource, sorted: a description is hundreds of times as long as a name. For every server before it
 * describes. */
void config_describe_drop_repeated(struct describe_configs_request *request);
/* Answers the whole request. All memory is the arena's, or borrowed from request, image and config. */
void config_describe(const struct config_describe_options *options, const struct describe_configs_request *request,
                     struct arena *arena, struct describe_configs_response *response);

#endif
