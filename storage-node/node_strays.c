/* Partitions that lie in a log directory although their topic is gone: it was deleted while the node was away. Once the
 * node has caught up with the metadata their files go too. A partition of a topic that exists stays, whoever hosts it
 * now: that is never decided here. */
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/node_private.h"

#include <stdio.h>

struct strays {
    char **paths;
    size_t count;
    size_t capacity;
};

static void strays_note(void *context, const char *path)
{
    struct strays *strays = context;

    if (strays->count == strays->capacity) {
        strays->capacity = strays->capacity > 0 ? strays->capacity * 2 : 16;
        strays->paths = memory_resize(strays->paths, strays->capacity, sizeof(*strays->paths));
    }
    strays->paths[strays->count++] = memory_copy_text(path, strlen(path));
}

/* True if the files say which topic they are of, and the cluster does not know it. */
static bool stray_is_gone(const struct node *node, const char *path)
{
    char metadata[DISK_PATH_MAX];
    struct uuid topic_id;

    return snprintf(metadata, sizeof(metadata), "%s/%s", path, PARTITION_METADATA_NAME) < (int)sizeof(metadata) &&
           partition_metadata_read(node->env->disk, metadata, &topic_id) == STATUS_OK && !uuid_is_zero(topic_id) &&
           image_topic_by_id(node->image, topic_id) == NULL;
}

static void stray_remove(struct node *node, const char *path)
{
    const char *name = strrchr(path, '/');
    struct log_directory_entry entry;

    if (name == NULL || !stray_is_gone(node, path)) {
        trace_warn("partition_stray", T_TEXT("path", path));
        return;
    }
    log_directory_entry_parse(name + 1, &entry);
    trace_info("partition_of_deleted_topic", T_TEXT("path", path));
    replica_set_remove_directory(&node->service.shards[0].replicas, path);
    directories_forget(node->service.directories, entry.topic, entry.partition);
}

void node_remove_strays(struct node *node)
{
    struct strays strays = {0};

    /* Removing changes what is walked: note first. */
    directories_strays(node->service.directories, strays_note, &strays);
    for (size_t i = 0; i < strays.count; i++) {
        stray_remove(node, strays.paths[i]);
        memory_free(strays.paths[i]);
    }
    memory_free(strays.paths);
}
