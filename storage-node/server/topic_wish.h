/* Topics that come into being because a client asked for their metadata (auto.create.topics.enable). */
#ifndef SERVER_TOPIC_WISH_H
#define SERVER_TOPIC_WISH_H

#include "storage-node/server/shard.h"

struct service;

/* Asks the controller for a topic with default settings, once however often it is asked for; nobody waits for the
 * outcome. On any loop. */
void topic_wish(struct shard *shard, struct string name);
/* Forgets wishes under way; when the link to the controllers is gone. */
void topic_wishes_free(struct service *service);

#endif
