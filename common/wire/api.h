/* The table of APIs, emitted by the generator from common/wire/schema: one row per key with its versions and the
 * functions that decode and encode. Whoever handles requests needs nothing else of the codec. */
#ifndef WIRE_API_H
#define WIRE_API_H

#include "common/wire/reader.h"
#include "common/wire/writer.h"

#include "wire/api_keys.h" /* generated: enum api_key { API_PRODUCE = 0, ... } and API_KEY_MAX */

struct message_type {
    const char *name;
    size_t size;                                                           /* of the C struct */
    void (*init)(void *message);                                           /* defaults */
    void (*read)(void *message, struct reader *reader, int16_t version);   /* the whole message body */
    void (*write)(const void *message, struct writer *writer, int16_t version);
    void (*dump)(const void *message, struct buffer *text);                /* one line of name=value for people */
};

struct api {
    int16_t key;
    const char *name;
    int16_t version_min;      /* oldest that we decode */
    int16_t version_max;      /* newest that we decode */
    int16_t flexible_since;   /* first version with tagged fields and compact sizes; INT16_MAX: none */
    struct message_type request;
    struct message_type response;
};

/* The row of `key`, or NULL if we have no schema for it. */
const struct api *api_find(int16_t key);
/* All rows in key order; *count gets their number. */
const struct api *api_all(size_t *count);

/* Request headers are version 2 (client id and tagged fields) from flexible_since on, 1 before; response headers 1 and
 * 0. ApiVersions is the exception: its responses always have header version 0 (KIP-511). */
struct request_header {
    int16_t key;
    int16_t version;
    int32_t correlation_id;
    struct string client_id; /* nullable */
};

/* Reads key, version, correlation id, then the client id and, if `api_find(key)` says so, tagged fields. An unknown key
 * or version leaves the reader behind the client id. */
void request_header_read(struct request_header *header, struct reader *reader);
void request_header_write(const struct request_header *header, struct writer *writer);
void response_header_write(int32_t correlation_id, int16_t key, int16_t version, struct writer *writer);
/* Returns the correlation id. */
int32_t response_header_read(int16_t key, int16_t version, struct reader *reader);

#endif
