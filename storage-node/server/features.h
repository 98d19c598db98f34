/* The features that a storage node supports (KIP-584), told at registration and in ApiVersions. */
#ifndef SERVER_FEATURES_H
#define SERVER_FEATURES_H

#include "common/rpc/api_versions.h"

/* Without finalized levels; borrowed for ever. */
const struct rpc_feature *node_features(size_t *count);

#endif
