/* Kafka's rules for names of topics. */
#ifndef STATE_TOPIC_NAME_H
#define STATE_TOPIC_NAME_H

#include "common/base/arena.h"
#include "common/metadata/image.h"

#define TOPIC_NAME_MAX 249 /* a file name, with "-" and a partition number behind it */

/* NULL if `name` may name a topic, else why not, for people, in `arena`. */
const char *topic_name_error(struct string name, struct arena *arena);
/* Names that differ only in '.' and '_' would share the names of their metrics: they collide. `name` with '_' for each
 * '.', in `arena`: colliding names are equal then. */
struct string topic_name_plain(struct string name, struct arena *arena);
/* The name of a topic of the image that collides with `name` (which is valid), or null. */
struct string topic_name_collision(const struct image *image, struct string name);

#endif
