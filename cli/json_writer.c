/* Writing JSON: see json.h. A bit per depth remembers whether a comma is due, so callers only say what there is. */
#include "cli/json.h"

#include "common/base/assert.h"

#include <inttypes.h>

/* Length of the well-formed UTF-8 sequence at `at`, 0 if there is none (Unicode 15, table 3-7). */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, size;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    if (at[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        if (at[0] < forms[i].first_min || at[0] > forms[i].first_max) {
            continue;
        }
        if (left < forms[i].size || at[1] < forms[i].second_min || at[1] > forms[i].second_max) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].size; k++) {
            if ((at[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].size;
    }
    return 0;
}

bool utf8_valid(struct bytes text)
{
    size_t at = 0;

    while (at < text.size) {
        const size_t size = utf8_sequence(text.data + at, text.size - at);

        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

void base64_append(struct buffer *out, struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const uint32_t group = (uint32_t)bytes.data[i] << 16 | (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                               (left > 2 ? (uint32_t)bytes.data[i + 2] : 0);
        const char text[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                              left > 2 ? digits[group & 63] : '='};

        buffer_append(out, text, sizeof(text));
    }
}

void json_writer_init(struct json_writer *json, struct buffer *out)
{
    *json = (struct json_writer){.out = out};
}

/* Puts what has to stand before a value: nothing after a name, a comma after an earlier sibling. */
static void value_begins(struct json_writer *json)
{
    const uint64_t bit = UINT64_C(1) << json->depth;

    if (json->named) {
        json->named = false;
        return;
    }
    if ((json->filled & bit) != 0) {
        buffer_append(json->out, ",", 1);
    }
    json->filled |= bit;
}

static void container_begins(struct json_writer *json, const char *bracket)
{
    value_begins(json);
    ASSERT(json->depth + 1 < JSON_DEPTH_MAX);
    json->depth++;
    json->filled &= ~(UINT64_C(1) << json->depth);
    buffer_append(json->out, bracket, 1);
}

static void container_ends(struct json_writer *json, const char *bracket)
{
    ASSERT(json->depth > 0);
    ASSERT(!json->named);
    json->depth--;
    buffer_append(json->out, bracket, 1);
}

void json_begin_object(struct json_writer *json)
{
    container_begins(json, "{");
}

void json_end_object(struct json_writer *json)
{
    container_ends(json, "}");
}

void json_begin_array(struct json_writer *json)
{
    container_begins(json, "[");
}

void json_end_array(struct json_writer *json)
{
    container_ends(json, "]");
}

static void quoted_append(struct buffer *out, struct bytes text)
{
    size_t at = 0;

    buffer_append(out, "\"", 1);
    while (at < text.size) {
        const uint8_t c = text.data[at];
        const size_t size = utf8_sequence(text.data + at, text.size - at);

        if (size == 0) {
            buffer_append(out, "\xef\xbf\xbd", 3);
            at++;
        } else if (c == '"' || c == '\\') {
            buffer_append_format(out, "\\%c", c);
            at++;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            buffer_append(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", 2);
            at++;
        } else if (c < 0x20 || c == 0x7f) {
            buffer_append_format(out, "\\u%04x", c);
            at++;
        } else {
            buffer_append(out, text.data + at, size);
            at += size;
        }
    }
    buffer_append(out, "\"", 1);
}

void json_name(struct json_writer *json, const char *name)
{
    ASSERT(!json->named);
    value_begins(json);
    quoted_append(json->out, bytes_of_string(string_of(name)));
    buffer_append(json->out, ":", 1);
    json->named = true;
}

void json_string(struct json_writer *json, struct string text)
{
    if (text.data == NULL) {
        json_null(json);
        return;
    }
    value_begins(json);
    quoted_append(json->out, bytes_of_string(text));
}

void json_text(struct json_writer *json, const char *text)
{
    json_string(json, string_of(text));
}

void json_bytes(struct json_writer *json, struct bytes bytes)
{
    if (bytes.data == NULL) {
        json_null(json);
    } else if (utf8_valid(bytes)) {
        value_begins(json);
        quoted_append(json->out, bytes);
    } else {
        json_begin_object(json);
        json_name(json, "base64");
        value_begins(json);
        buffer_append(json->out, "\"", 1);
        base64_append(json->out, bytes);
        buffer_append(json->out, "\"", 1);
        json_end_object(json);
    }
}

void json_number(struct json_writer *json, int64_t number)
{
    value_begins(json);
    buffer_append_format(json->out, "%" PRId64, number);
}

void json_bool(struct json_writer *json, bool value)
{
    value_begins(json);
    buffer_append_format(json->out, "%s", value ? "true" : "false");
}

void json_null(struct json_writer *json)
{
    value_begins(json);
    buffer_append(json->out, "null", 4);
}

void json_member_string(struct json_writer *json, const char *name, struct string value)
{
    json_name(json, name);
    json_string(json, value);
}

void json_member_text(struct json_writer *json, const char *name, const char *value)
{
    json_name(json, name);
    json_text(json, value);
}

void json_member_number(struct json_writer *json, const char *name, int64_t value)
{
    json_name(json, name);
    json_number(json, value);
}

void json_member_bool(struct json_writer *json, const char *name, bool value)
{
    json_name(json, name);
    json_bool(json, value);
}
