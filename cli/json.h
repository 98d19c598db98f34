/* JSON in both directions. The writer appends to a buffer and puts the commas itself; what it writes is always valid,
 * also when a record's bytes are not UTF-8: those become {"base64": "..."}. The reader takes one value from a text that
 * nobody vouches for, bounded in depth and by the caller's arena. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/base/status.h"

/* Nesting beyond it is refused. */
#define JSON_DEPTH_MAX 64

struct json_writer {
    struct buffer *out; /* borrowed */
    unsigned depth;
    uint64_t filled; /* bit n: the container at depth n has a member already */
    bool named;      /* a member's name was written, its value follows */
};

void json_writer_init(struct json_writer *json, struct buffer *out);
void json_begin_object(struct json_writer *json);
void json_end_object(struct json_writer *json);
void json_begin_array(struct json_writer *json);
void json_end_array(struct json_writer *json);
/* The name of the next value; only in objects. */
void json_name(struct json_writer *json, const char *name);
/* Null for the null string; replaces what is not UTF-8 by U+FFFD. */
void json_string(struct json_writer *json, struct string text);
void json_text(struct json_writer *json, const char *text);
/* A string if the bytes are UTF-8, {"base64": "..."} if not, null for null. Loses nothing. */
void json_bytes(struct json_writer *json, struct bytes bytes);
void json_number(struct json_writer *json, int64_t number);
void json_bool(struct json_writer *json, bool value);
void json_null(struct json_writer *json);

/* Members in one call, for objects that are a list of facts. */
void json_member_string(struct json_writer *json, const char *name, struct string value);
void json_member_text(struct json_writer *json, const char *name, const char *value);
void json_member_number(struct json_writer *json, const char *name, int64_t value);
void json_member_bool(struct json_writer *json, const char *name, bool value);

/* True if `text` is well-formed UTF-8. */
bool utf8_valid(struct bytes text);
void base64_append(struct buffer *out, struct bytes bytes);
/* STATUS_INVALID unless `text` is standard base64 with its padding. The result lives in `arena`. */
MUST_USE enum status base64_read(struct string text, struct arena *arena, struct bytes *bytes);

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    bool truth;              /* BOOL */
    struct string source;    /* the value as it stands in the input */
    struct string text;      /* STRING: unescaped */
    struct string name;      /* of a member of an object: unescaped */
    struct json_value *first; /* ARRAY, OBJECT: children in order */
    struct json_value *next;
};

/* Reads one value that fills all of `input` but white space. Views point into `input` or `arena`. STATUS_INVALID with
 * *error_at, the offset, at the first thing that is not JSON; STATUS_TOO_LARGE if the arena or the depth does not
 * do. */
MUST_USE enum status json_read(struct string input, struct arena *arena, struct json_value **value, size_t *error_at);
/* The last member of this name (as Javascript decides duplicates), or NULL. */
const struct json_value *json_find(const struct json_value *object, const char *name);
/* STATUS_INVALID if `value` is not an integer, STATUS_OUT_OF_RANGE if it does not fit. */
MUST_USE enum status json_integer(const struct json_value *value, int64_t *number);

#endif
