/* The features that a storage node supports. */
#include "storage-node/server/features.h"

#include "common/base/attributes.h"

const struct rpc_feature *node_features(size_t *count)
{
    /* metadata.version 30 is 4.3-IV0. Groups, transactions and share groups are told when they exist. */
    static const struct rpc_feature FEATURES[] = {{.name = "metadata.version", .level_min = 7, .level_max = 30}};

    *count = ARRAY_COUNT(FEATURES);
    return FEATURES;
}
