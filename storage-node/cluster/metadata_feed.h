/* Follows the metadata log: long polls at a controller, replay into images, snapshots when the log no longer reaches
 * back. The image survives a change of controllers: the next one is asked from where the last one ended. */
#ifndef CLUSTER_METADATA_FEED_H
#define CLUSTER_METADATA_FEED_H

#include "common/metadata/image.h"
#include "common/rpc/client.h"

struct metadata_feed;

struct metadata_feed_handler {
    void (*image)(void *context, struct image *image); /* moved on; borrowed for the call */
    void (*lost)(void *context);                       /* this controller cannot be followed now */
    void (*idle)(void *context);                       /* after a pause: nothing is under way any more */
};

struct metadata_feed *metadata_feed_create(struct env *env, int32_t node_id, uint32_t timeout_ms,
                                           const struct metadata_feed_handler *handler, void *context);
/* Must be idle. */
void metadata_feed_destroy(struct metadata_feed *feed);
/* Connects and follows; `host` is borrowed until the next pause. If the last connection is not gone yet, it starts when
 * it is. */
void metadata_feed_start(struct metadata_feed *feed, struct string cluster_id, const char *host, uint16_t port);
void metadata_feed_set_cluster(struct metadata_feed *feed, struct string cluster_id);
/* Closes the connection. */
void metadata_feed_pause(struct metadata_feed *feed);
bool metadata_feed_idle(const struct metadata_feed *feed);
/* What was replayed so far; borrowed until the next callback. Never NULL. */
struct image *metadata_feed_image(struct metadata_feed *feed);

#endif
