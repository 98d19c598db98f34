/* See produce_input.h. The JSON of a line is an object with any of
 *
 *     key, value (or payload)   text, null, {"base64": "..."}, or any other JSON, which is then written as it stands
 *     headers                   {"name": value, ...} or, as consume -J writes them, ["name", value, ...]
 *     partition, timestamp (or ts)
 *
 * and may have others, so that what `consume -J` prints can be read again. */
#include "cli/produce_input.h"

#include "cli/json.h"
#include "common/base/assert.h"

#define ARENA_LIMIT (4u * PRODUCE_PIECE_MAX)
/* Consumed text is moved out once it is this much. */
#define COMPACT_MIN 65536

void produce_input_init(struct produce_input *input, const struct produce_input_options *options)
{
    *input = (struct produce_input){.options = *options};
    ASSERT(options->delimiter.size > 0);
    buffer_init(&input->text);
    arena_init(&input->arena, ARENA_LIMIT);
}

void produce_input_deinit(struct produce_input *input)
{
    buffer_deinit(&input->text);
    arena_deinit(&input->arena);
}

void produce_input_add(struct produce_input *input, struct bytes bytes)
{
    if (input->at >= COMPACT_MIN) {
        memmove(input->text.data, input->text.data + input->at, input->text.size - input->at);
        input->text.size -= input->at;
        input->searched -= input->at;
        input->at = 0;
    }
    buffer_append(&input->text, bytes.data, bytes.size);
}

void produce_input_end(struct produce_input *input)
{
    input->ended = true;
}

static enum status next_piece(struct produce_input *input, struct bytes *piece)
{
    const struct string delimiter = input->options.delimiter;
    const uint8_t *start = input->text.size > 0 ? input->text.data + input->at : NULL;
    const size_t left = input->text.size - input->at;
    const size_t skip = input->searched - input->at;
    const uint8_t *found =
        left > skip ? memmem(start + skip, left - skip, delimiter.data, delimiter.size) : NULL;

    if (found != NULL) {
        *piece = bytes_of(start, (size_t)(found - start));
        input->at += piece->size + delimiter.size;
        input->searched = input->at;
    } else if (input->ended && left > 0) {
        *piece = bytes_of(start, left);
        input->at = input->text.size;
        input->searched = input->at;
    } else {
        /* The delimiter may be cut at the end of what is here. */
        if (left >= delimiter.size) {
            const size_t searched = input->text.size - (delimiter.size - 1);

            input->searched = searched > input->searched ? searched : input->searched;
        }
        return left > PRODUCE_PIECE_MAX ? STATUS_TOO_LARGE : STATUS_END;
    }
    input->number++;
    return piece->size > PRODUCE_PIECE_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

static struct bytes empty_or(struct bytes bytes, bool empty_is_null)
{
    return bytes.size == 0 && empty_is_null ? BYTES_NULL : bytes;
}

static void plain_record(const struct produce_input *input, struct bytes piece, struct produce_record *record)
{
    const struct string delimiter = input->options.key_delimiter;
    const bool null = input->options.empty_is_null;
    const uint8_t *split =
        delimiter.size > 0 && piece.size > 0 ? memmem(piece.data, piece.size, delimiter.data, delimiter.size) : NULL;

    if (split != NULL) {
        record->draft.key = empty_or(bytes_of(piece.data, (size_t)(split - piece.data)), null);
        piece = bytes_of(split + delimiter.size, piece.size - (size_t)(split - piece.data) - delimiter.size);
    }
    record->draft.value = empty_or(piece, null);
}

/* The bytes that a JSON value stands for. */
static enum status value_bytes(struct produce_input *input, const struct json_value *value, struct bytes *bytes)
{
    const struct json_value *base64 = json_find(value, "base64");

    if (value->kind == JSON_NULL) {
        *bytes = BYTES_NULL;
    } else if (value->kind == JSON_STRING) {
        *bytes = bytes_of_string(value->text);
    } else if (base64 != NULL && value->first->next == NULL) {
        return base64->kind == JSON_STRING ? base64_read(base64->text, &input->arena, bytes) : STATUS_INVALID;
    } else {
        *bytes = bytes_of_string(value->source);
    }
    return STATUS_OK;
}

static enum status json_headers(struct produce_input *input, const struct json_value *value,
                                struct record_header *headers, size_t *count)
{
    const struct json_value *child = value->first;

    if (value->kind == JSON_NULL) {
        return STATUS_OK;
    }
    if (value->kind != JSON_OBJECT && value->kind != JSON_ARRAY) {
        return STATUS_INVALID;
    }
    while (child != NULL) {
        if (*count == PRODUCE_HEADERS_MAX) {
            return STATUS_TOO_LARGE;
        }
        struct record_header *header = &headers[*count];

        header->key = child->name;
        if (value->kind == JSON_ARRAY) {
            if (child->kind != JSON_STRING || child->next == NULL) {
                return STATUS_INVALID;
            }
            header->key = child->text;
            child = child->next;
        }
        if (value_bytes(input, child, &header->value) != STATUS_OK) {
            return STATUS_INVALID;
        }
        (*count)++;
        child = child->next;
    }
    return STATUS_OK;
}

static const struct json_value *find_either(const struct json_value *object, const char *name, const char *other)
{
    const struct json_value *found = json_find(object, name);

    return found != NULL ? found : json_find(object, other);
}

static enum status json_record(struct produce_input *input, struct bytes piece, struct produce_record *record,
                               const char **why)
{
    struct json_value *object;
    size_t error_at;
    const struct json_value *member;
    struct record_header *headers;
    int64_t number;

    if (json_read((struct string){(const char *)piece.data, piece.size}, &input->arena, &object, &error_at) !=
            STATUS_OK ||
        object->kind != JSON_OBJECT) {
        *why = "not a JSON object";
        return STATUS_INVALID;
    }
    member = json_find(object, "key");
    if (member != NULL && value_bytes(input, member, &record->draft.key) != STATUS_OK) {
        *why = "key has broken base64";
        return STATUS_INVALID;
    }
    member = find_either(object, "value", "payload");
    if (member != NULL && value_bytes(input, member, &record->draft.value) != STATUS_OK) {
        *why = "value has broken base64";
        return STATUS_INVALID;
    }
    member = json_find(object, "partition");
    if (member != NULL && member->kind != JSON_NULL) {
        if (json_integer(member, &number) != STATUS_OK || number < 0 || number > INT32_MAX) {
            *why = "partition is not a partition's number";
            return STATUS_INVALID;
        }
        record->partition = (int32_t)number;
    }
    member = find_either(object, "timestamp", "ts");
    if (member != NULL && member->kind != JSON_NULL &&
        (json_integer(member, &record->draft.timestamp) != STATUS_OK || record->draft.timestamp < TIMESTAMP_NONE)) {
        *why = "timestamp is not a number of milliseconds";
        return STATUS_INVALID;
    }
    member = json_find(object, "headers");
    if (member != NULL) {
        headers = arena_alloc_array(&input->arena, PRODUCE_HEADERS_MAX, sizeof(*headers));
        if (headers == NULL) {
            *why = "too large";
            return STATUS_INVALID;
        }
        for (size_t i = 0; i < input->options.header_count; i++) {
            headers[i] = input->options.headers[i];
        }
        record->draft.headers = headers;
        if (json_headers(input, member, headers, &record->draft.header_count) != STATUS_OK) {
            *why = "headers are not {\"name\": \"value\"} or [\"name\", \"value\"]";
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

enum status produce_input_next(struct produce_input *input, struct produce_record *record, const char **why)
{
    struct bytes piece;
    const enum status status = next_piece(input, &piece);

    if (status != STATUS_OK) {
        *why = status == STATUS_TOO_LARGE ? "longer than 64 MiB" : NULL;
        return status;
    }
    arena_reset(&input->arena);
    *record = (struct produce_record){
        .draft = {.timestamp = TIMESTAMP_NONE,
                  .key = input->options.key,
                  .headers = input->options.headers,
                  .header_count = input->options.header_count},
        .partition = PRODUCE_PARTITION_ANY,
    };
    if (input->options.json) {
        return json_record(input, piece, record, why);
    }
    plain_record(input, piece, record);
    return STATUS_OK;
}

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

enum status delimiter_parse(const char *text, struct arena *arena, struct string *delimiter)
{
    static const char names[] = "ntr0\\";
    static const char values[] = "\n\t\r\0\\";
    char *out = arena_need(arena, strlen(text) + 1, 1);
    size_t size = 0;

    for (; *text != '\0'; text++) {
        if (*text != '\\') {
            out[size++] = *text;
            continue;
        }
        text++;
        const char *name = *text != '\0' ? strchr(names, *text) : NULL;

        if (name != NULL) {
            out[size++] = values[name - names];
        } else if (*text == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            out[size++] = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
            text += 2;
        } else {
            return STATUS_INVALID;
        }
    }
    *delimiter = (struct string){out, size};
    return size > 0 ? STATUS_OK : STATUS_INVALID;
}
