/* See format.h. */
#include "cli/format.h"

#include "cli/json.h"
#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

#include <inttypes.h>

#define VERBS "sSRkKhtpoT"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character behind a backslash at `at`; returns how many characters of the input it took, 0 if it is none. */
static size_t read_escape(const char *at, char *c)
{
    static const char names[] = "ntr0\\";
    static const char values[] = "\n\t\r\0\\";
    const char *name = *at != '\0' ? strchr(names, *at) : NULL;

    if (name != NULL) {
        *c = values[name - names];
        return 1;
    }
    if (*at == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *c = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        return 3;
    }
    return 0;
}

/* Adds a character of plain text, to the last step if that is text too. */
static void add_text(struct format *format, char *to, char c)
{
    *to = c;
    if (format->count == 0 || format->steps[format->count - 1].verb != 0) {
        format->steps[format->count++] = (struct format_step){.verb = 0, .text = {to, 0}};
    }
    format->steps[format->count - 1].text.size++;
}

enum status format_compile(struct format *format, const char *text, size_t *error_at)
{
    const size_t size = strlen(text);
    char *to;

    *format = (struct format){
        .steps = memory_alloc_zero(size + 1, sizeof(struct format_step)),
        .texts = memory_alloc(size + 1),
    };
    to = format->texts;
    for (const char *at = text; *at != '\0'; at++) {
        char c = *at;

        if (*at == '%' && at[1] != '\0' && strchr(VERBS, at[1]) != NULL) {
            format->steps[format->count++].verb = *++at;
            continue;
        }
        if (*at == '%' && at[1] == '%') {
            at++;
        } else if (*at == '%') {
            *error_at = (size_t)(at - text);
            format_deinit(format);
            return STATUS_INVALID;
        } else if (*at == '\\') {
            const size_t used = read_escape(at + 1, &c);

            if (used == 0) {
                *error_at = (size_t)(at - text);
                format_deinit(format);
                return STATUS_INVALID;
            }
            at += used;
        }
        add_text(format, to++, c);
    }
    return STATUS_OK;
}

void format_deinit(struct format *format)
{
    memory_free(format->steps);
    memory_free(format->texts);
    *format = (struct format){0};
}

static void print_bytes(const struct format *format, struct bytes bytes, struct buffer *out)
{
    if (bytes.data == NULL) {
        buffer_append_format(out, "%s", format->null_word ? "NULL" : "");
    } else {
        buffer_append(out, bytes.data, bytes.size);
    }
}

static int64_t size_or_null(struct bytes bytes)
{
    return bytes.data != NULL ? (int64_t)bytes.size : -1;
}

static void print_headers(const struct format *format, const struct record *record, struct buffer *out)
{
    struct bytes rest = record->headers;
    struct record_header header;
    const char *comma = "";

    while (record_header_next(&rest, &header)) {
        buffer_append_format(out, "%s%.*s=", comma, STRING_ARGS(header.key));
        print_bytes(format, header.value, out);
        comma = ",";
    }
}

static void print_binary_size(struct bytes bytes, struct buffer *out)
{
    uint8_t size[4];

    store_i32(size, (int32_t)size_or_null(bytes));
    buffer_append(out, size, sizeof(size));
}

void format_print(const struct format *format, const struct placed_record *placed, struct buffer *out)
{
    const struct record *record = placed->record;

    for (size_t i = 0; i < format->count; i++) {
        const struct format_step *step = &format->steps[i];

        switch (step->verb) {
        case 0:
            buffer_append(out, step->text.data, step->text.size);
            break;
        case 's':
            print_bytes(format, record->value, out);
            break;
        case 'S':
            buffer_append_format(out, "%" PRId64, size_or_null(record->value));
            break;
        case 'R':
            print_binary_size(record->value, out);
            break;
        case 'k':
            print_bytes(format, record->key, out);
            break;
        case 'K':
            buffer_append_format(out, "%" PRId64, size_or_null(record->key));
            break;
        case 'h':
            print_headers(format, record, out);
            break;
        case 't':
            buffer_append(out, placed->topic.data, placed->topic.size);
            break;
        case 'p':
            buffer_append_format(out, "%" PRId32, placed->partition);
            break;
        case 'o':
            buffer_append_format(out, "%" PRId64, record->offset);
            break;
        case 'T':
            buffer_append_format(out, "%" PRId64, record->timestamp);
            break;
        default:
            UNREACHABLE();
        }
    }
}

void format_print_json(const struct placed_record *placed, struct buffer *out)
{
    const struct record *record = placed->record;
    struct bytes rest = record->headers;
    struct record_header header;
    struct json_writer json;

    json_writer_init(&json, out);
    json_begin_object(&json);
    json_member_string(&json, "topic", placed->topic);
    json_member_number(&json, "partition", placed->partition);
    json_member_number(&json, "offset", record->offset);
    json_member_text(&json, "tstype", placed->append_time ? "logappend" : "create");
    json_member_number(&json, "ts", record->timestamp);
    json_member_number(&json, "broker", placed->leader_id);
    if (record->header_count > 0) {
        json_name(&json, "headers");
        json_begin_array(&json);
        while (record_header_next(&rest, &header)) {
            json_string(&json, header.key);
            json_bytes(&json, header.value);
        }
        json_end_array(&json);
    }
    json_name(&json, "key");
    json_bytes(&json, record->key);
    json_name(&json, "payload");
    json_bytes(&json, record->value);
    json_end_object(&json);
    buffer_append(out, "\n", 1);
}
