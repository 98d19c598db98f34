/* Partitions that lie in a log directory although their topic is gone: it was deleted while the node was away. Once the
 * node has caught up with the metadata their files go too, or are set aside if they do not say for sure whose they are
 * (docs/decisions/0008-whose-directory.md). A partition of a topic that exists stays, whoever hosts it now: that is
 * never decided here.
 *
 * A topic of the same name may have come since. Its partition waits for the name (see replica_set.c) and asks for it;
 * what lies there was never opened, since a deletion that this process has seen makes directories_forget forget the
 * place. Directories that were opened at the start are not looked at here: there may be thousands. */
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

enum stray_fate {
    STRAY_STAYS,
    STRAY_GOES,
    STRAY_IS_KEPT, /* under another name, for the operator */
};

/* What is to be done with a directory that no partition of today's metadata has opened. `topic`: of its name today, or
 * NULL. Only what is proven to be a deleted topic's is removed with records in it. `owner`: what its file says. */
static enum stray_fate stray_judge(const struct node *node, const char *path, const struct topic_image *topic,
                                   enum partition_owner *owner)
{
    struct partition_identity identity;
    char metadata[DISK_PATH_MAX];
    bool records;

    *owner = OWNER_NOBODY;
    if (snprintf(metadata, sizeof(metadata), "%s/%s", path, PARTITION_METADATA_NAME) >= (int)sizeof(metadata) ||
        partition_metadata_read(node->env->disk, metadata, topic != NULL ? topic_image_id(topic) : UUID_ZERO,
                                &identity) != STATUS_OK) {
        return STRAY_STAYS;
    }
    *owner = identity.owner;
    switch (identity.owner) {
    case OWNER_PROVEN:
        if (!uuid_is_zero(identity.topic_id)) {
            return image_topic_by_id(node->image, identity.topic_id) == NULL ? STRAY_GOES : STRAY_STAYS;
        }
        break;
    case OWNER_CLAIMED:
        if (image_topic_by_id(node->image, identity.topic_id) != NULL) {
            return STRAY_STAYS;
        }
        break;
    case OWNER_NOBODY:
    case OWNER_UNKNOWN:
        break;
    }
    /* Not sooner: this looks into the segments. */
    if (partition_directory_has_records(node->env->disk, path, &records) != STATUS_OK) {
        return STRAY_STAYS;
    }
    return records ? STRAY_IS_KEPT : STRAY_GOES;
}

static void stray_free_name(struct node *node, const char *path, enum stray_fate fate)
{
    if (fate == STRAY_GOES) {
        trace_info("partition_of_deleted_topic", T_TEXT("path", path));
        replica_set_remove_directory(&node->service.shards[0].replicas, path);
    } else if (fate == STRAY_IS_KEPT) {
        replica_set_keep_directory(&node->service.shards[0].replicas, path);
    }
}

static void node_remove_stray(struct node *node, const char *path)
{
    const char *name = strrchr(path, '/');
    struct log_directory_entry entry;
    enum partition_owner owner;
    enum stray_fate fate;

    if (name == NULL) {
        return;
    }
    log_directory_entry_parse(name + 1, &entry);
    fate = stray_judge(node, path, image_topic_by_name(node->image, entry.topic), &owner);
    if (fate != STRAY_STAYS) {
        directories_forget(node->service.directories, entry.topic, entry.partition);
    } else {
        trace_warn("partition_stray", T_TEXT("path", path));
    }
    stray_free_name(node, path, fate);
}

void node_free_name(struct node *node, const char *path, bool late)
{
    const char *name = strrchr(path, '/');
    struct log_directory_entry entry;
    enum partition_owner owner;
    enum stray_fate fate;

    if (!node->ready || name == NULL) {
        return;
    }
    log_directory_entry_parse(name + 1, &entry);
    if (!late && !directories_found(node->service.directories, entry.topic, entry.partition)) {
        return; /* it was opened here, and may not be closed yet */
    }
    fate = stray_judge(node, path, image_topic_by_name(node->image, entry.topic), &owner);
    if (late || owner == OWNER_CLAIMED || owner == OWNER_PROVEN) {
        stray_free_name(node, path, fate);
    }
}

void node_remove_strays(struct node *node)
{
    struct strays strays = {0};

    /* Removing changes what is walked: note first. */
    directories_strays(node->service.directories, strays_note, &strays);
    for (size_t i = 0; i < strays.count; i++) {
        node_remove_stray(node, strays.paths[i]);
        memory_free(strays.paths[i]);
    }
    memory_free(strays.paths);
}
