/* The answer to ApiVersions (KIP-35, KIP-511, KIP-584, KIP-1242). */
#include "common/rpc/api_versions.h"

#include "common/wire/error.h"
#include "wire/api_versions.h"

static int32_t rpc_count_finalized(const struct rpc_feature *features, size_t count)
{
    int32_t finalized = 0;

    for (size_t i = 0; i < count; i++) {
        finalized += features[i].finalized > 0 ? 1 : 0;
    }
    return finalized;
}

static void rpc_list_features(struct rpc_request *request, const struct rpc_feature *features, size_t count,
                              int64_t epoch)
{
    struct api_versions_response *response = request->response;
    int32_t at = 0;

    response->supported_features_count = (int32_t)count;
    response->supported_features = arena_need(&request->arena, count, sizeof(*response->supported_features));
    for (size_t i = 0; i < count; i++) {
        response->supported_features[i].name = string_of(features[i].name);
        response->supported_features[i].min_version = features[i].level_min;
        response->supported_features[i].max_version = features[i].level_max;
    }
    if (epoch < 0) {
        return;
    }
    response->finalized_features_epoch = epoch;
    response->finalized_features_count = rpc_count_finalized(features, count);
    response->finalized_features = arena_need(&request->arena, count, sizeof(*response->finalized_features));
    for (size_t i = 0; i < count; i++) {
        if (features[i].finalized > 0) {
            response->finalized_features[at].name = string_of(features[i].name);
            response->finalized_features[at].max_version_level = features[i].finalized;
            response->finalized_features[at].min_version_level = features[i].finalized;
            at++;
        }
    }
}

/* KIP-511: letters and digits, with '-' and '.' between them. */
static bool rpc_software_text_valid(struct string text)
{
    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        const bool inside = i > 0 && i + 1 < text.size;

        if (!word && !(inside && (c == '-' || c == '.'))) {
            return false;
        }
    }
    return true;
}

void rpc_answer_api_versions(struct rpc_request *request, const struct rpc_route *routes, size_t route_count,
                             const struct rpc_feature *features, size_t feature_count, int64_t epoch,
                             struct string cluster_id, int32_t node_id)
{
    const struct api_versions_request *body = request->body;
    struct api_versions_response *response = request->response;

    response->error_code = request->version_unknown ? ERROR_UNSUPPORTED_VERSION : ERROR_NONE;
    if (request->version >= 3 && (!rpc_software_text_valid(body->client_software_name) ||
                                  !rpc_software_text_valid(body->client_software_version))) {
        response->error_code = ERROR_INVALID_REQUEST;
        return;
    }
    if ((body->cluster_id.data != NULL && !string_equal(body->cluster_id, cluster_id)) ||
        (body->node_id >= 0 && body->node_id != node_id)) {
        response->error_code = ERROR_REBOOTSTRAP_REQUIRED;
    }
    response->api_keys_count = (int32_t)route_count;
    response->api_keys = arena_need(&request->arena, route_count, sizeof(*response->api_keys));
    for (size_t i = 0; i < route_count; i++) {
        response->api_keys[i].api_key = routes[i].key;
        response->api_keys[i].min_version = routes[i].version_min;
        response->api_keys[i].max_version = routes[i].version_max;
    }
    if (request->version >= 3) {
        rpc_list_features(request, features, feature_count, epoch);
    }
}
