/* meta.properties of a controller. */
#include "controller/identity.h"

#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/config/properties.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"

#include <stdio.h>

#define IDENTITY_FILE_MAX ((size_t)64 * 1024)

static struct string value_of(const struct properties *properties, const char *key)
{
    for (size_t i = 0; i < properties->count; i++) {
        if (string_is(properties->items[i].key, key)) {
            return properties->items[i].value;
        }
    }
    return STRING_NULL;
}

static enum status compare(const struct properties *properties, const char *path, int32_t node_id,
                           struct uuid *cluster_id,
                           struct config_problem *problem)
{
    const struct string version = value_of(properties, "version");
    const struct string node = value_of(properties, "node.id");
    const struct string cluster = value_of(properties, "cluster.id");
    char id_text[16];
    char uuid_text[UUID_TEXT_SIZE + 1];
    struct uuid found;

    if (!string_is(version, "1") || node.data == NULL || uuid_parse(cluster, &found) != STATUS_OK) {
        config_problem_set(problem, "%s is not a whole meta.properties of version 1: it must have version, node.id and "
                                    "cluster.id; restore it, or use an empty directory",
                           path);
        return STATUS_INVALID;
    }
    snprintf(id_text, sizeof(id_text), "%d", (int)node_id);
    if (!string_is(node, id_text)) {
        config_problem_set(problem,
                           "%s says that the directory belongs to node.id %.*s, but this is node.id %s: set node.id "
                           "or metadata.log.dir right",
                           path, STRING_ARGS(node), id_text);
        return STATUS_INVALID;
    }
    if (!uuid_is_zero(*cluster_id) && !uuid_equal(*cluster_id, found)) {
        config_problem_set(problem,
                           "%s says that the directory belongs to cluster %.*s, but cluster.id is %s: set cluster.id "
                           "or metadata.log.dir right",
                           path, STRING_ARGS(cluster), uuid_format(*cluster_id, uuid_text));
        return STATUS_INVALID;
    }
    *cluster_id = found;
    return STATUS_OK;
}

static enum status write_file(struct env *env, const char *path, int32_t node_id, struct uuid cluster_id,
                              struct config_problem *problem)
{
    char uuid_text[UUID_TEXT_SIZE + 1];
    struct buffer text;
    enum status status;

    buffer_init(&text);
    buffer_append_format(&text, "version=1\ncluster.id=%s\nnode.id=%d\n", uuid_format(cluster_id, uuid_text),
                         (int)node_id);
    status = disk_replace_file(env->disk, path, buffer_bytes(&text));
    buffer_deinit(&text);
    if (status != STATUS_OK) {
        config_problem_set(problem, "cannot write %s: %s", path, status_text(status));
    } else {
        trace_info("directory_formatted", T_TEXT("file", path), T_UUID("cluster", cluster_id), T_INT("node", node_id));
    }
    return status;
}

static uint64_t next_random(void *env)
{
    return env_random(env);
}

static enum status read_file(const char *path, const uint8_t *data, size_t size, int32_t node_id,
                             struct uuid *cluster_id,
                             struct config_problem *problem)
{
    struct properties properties;
    struct config_problem why;
    struct arena arena;
    enum status status;

    arena_init(&arena, SIZE_MAX / 2);
    status = properties_parse(bytes_of(data, size), &arena, &properties, &why);
    if (status != STATUS_OK) {
        config_problem_set(problem, "%s: %s", path, why.text);
    } else {
        status = compare(&properties, path, node_id, cluster_id, problem);
    }
    arena_deinit(&arena);
    return status;
}

enum status identity_settle(struct env *env, const char *directory, int32_t node_id, bool sole_voter,
                            struct uuid *cluster_id,
                            struct config_problem *problem)
{
    char path[DISK_PATH_MAX];
    uint8_t *data;
    size_t size;
    enum status status;

    snprintf(path, sizeof(path), "%s/meta.properties", directory);
    status = disk_read_file(env->disk, path, IDENTITY_FILE_MAX, &data, &size);
    if (status == STATUS_OK) {
        status = read_file(path, data, size, node_id, cluster_id, problem);
        memory_free(data);
        return status;
    }
    if (status != STATUS_NOT_FOUND) {
        config_problem_set(problem, "cannot read %s: %s", path, status_text(status));
        return status;
    }
    if (uuid_is_zero(*cluster_id)) {
        const struct uuid made_up = uuid_random(next_random, env);
        char text[UUID_TEXT_SIZE + 1];

        if (!sole_voter) {
            config_problem_set(problem,
                               "cluster.id is required at the first start of several controllers: give all of them, "
                               "and the storage nodes, the same one, for instance cluster.id=%s",
                               uuid_format(made_up, text));
            return STATUS_INVALID;
        }
        *cluster_id = made_up;
    }
    return write_file(env, path, node_id, *cluster_id, problem);
}
