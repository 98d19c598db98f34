/* Partitions that lie in a log directory although their topic is gone: it was deleted while the node was away. Once the
 * node has caught up with the metadata their files go too. A partition of a topic that exists stays, whoever hosts it
 * now: that is never decided here.
 *
 * A topic of the same name may have come since. Its partition waits for the name (see replica_set.c); what lies there
 * was never opened, since a deletion that this process has seen makes directories_forget forget the place. */
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "common/trace/trace.h"
#include "storage-node/log/log_directory.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/node_private.h"

#include <stdio.h>

struct stray {
    char *path;
    bool asked;
};

struct strays {
    struct stray *items;
    size_t count;
    size_t capacity;
};

static void strays_note(void *context, const char *path, bool asked)
{
    struct strays *strays = context;

    if (strays->count == strays->capacity) {
        strays->capacity = strays->capacity > 0 ? strays->capacity * 2 : 16;
        strays->items = memory_resize(strays->items, strays->capacity, sizeof(*strays->items));
    }
    strays->items[strays->count++] = (struct stray){.path = memory_copy_text(path, strlen(path)), .asked = asked};
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

static void stray_judge(struct node *node, const struct stray *stray)
{
    const char *name = strrchr(stray->path, '/');
    struct log_directory_entry entry;

    if (name == NULL || !stray_is_gone(node, stray->path)) {
        if (!stray->asked) {
            trace_warn("partition_stray", T_TEXT("path", stray->path));
        }
        return;
    }
    log_directory_entry_parse(name + 1, &entry);
    trace_info("partition_of_deleted_topic", T_TEXT("path", stray->path));
    replica_set_remove_directory(&node->service.shards[0].replicas, stray->path);
    if (!stray->asked) {
        directories_forget(node->service.directories, entry.topic, entry.partition);
    }
}

void node_free_name(struct node *node, const char *path)
{
    const char *name = strrchr(path, '/');
    char metadata[DISK_PATH_MAX];
    struct log_directory_entry entry;
    const struct topic_image *topic;
    struct uuid found;
    enum status status;

    if (!node->ready || name == NULL ||
        snprintf(metadata, sizeof(metadata), "%s/%s", path, PARTITION_METADATA_NAME) >= (int)sizeof(metadata)) {
        return;
    }
    log_directory_entry_parse(name + 1, &entry);
    topic = image_topic_by_name(node->image, entry.topic);
    status = partition_metadata_read(node->env->disk, metadata, &found);
    if (status == STATUS_OK ? topic != NULL && uuid_equal(found, topic_image_id(topic))
                            : status != STATUS_NOT_FOUND && status != STATUS_CORRUPT) {
        return;
    }
    /* A removal that a failing disk or a crash has left half done, or never begun. */
    trace_info("partition_of_deleted_topic", T_TEXT("path", path));
    replica_set_remove_directory(&node->service.shards[0].replicas, path);
}

void node_remove_strays(struct node *node)
{
    struct strays strays = {0};

    /* Removing changes what is walked: note first. */
    directories_found(node->service.directories, strays_note, &strays);
    for (size_t i = 0; i < strays.count; i++) {
        stray_judge(node, &strays.items[i]);
        memory_free(strays.items[i].path);
    }
    memory_free(strays.items);
}
