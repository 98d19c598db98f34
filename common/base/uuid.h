/* 128-bit identifiers as Kafka writes them: 22 characters of URL-safe base64 without padding. The zero UUID means
 * "none"; (0, 1) is reserved for the metadata topic. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/prng.h"
#include "common/base/status.h"

#define UUID_TEXT_SIZE 22

struct uuid {
    uint8_t data[16];
};

#define UUID_ZERO ((struct uuid){{0}})

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.data, b.data, sizeof(a.data)) == 0;
}

static inline bool uuid_is_zero(struct uuid uuid)
{
    return uuid_equal(uuid, UUID_ZERO);
}

static inline int uuid_compare(struct uuid a, struct uuid b)
{
    return memcmp(a.data, b.data, sizeof(a.data));
}

/* Writes UUID_TEXT_SIZE characters and a zero byte; returns `text`. */
char *uuid_format(struct uuid uuid, char text[UUID_TEXT_SIZE + 1]);
/* STATUS_INVALID unless `text` is 22 characters of URL-safe base64. */
MUST_USE enum status uuid_parse(struct string text, struct uuid *uuid);
/* A random UUID (version 4 bits set) that is neither reserved nor begins with '-' in text, which
 * command lines would take for an option. `random` is called as often as needed. */
struct uuid uuid_random(uint64_t (*random)(void *context), void *context);

#endif
