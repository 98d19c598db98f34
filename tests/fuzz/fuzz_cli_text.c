/* Texts that the CLI reads and writes: format strings, JSON, base64, what `produce` cuts into records. Byte 0
 * chooses. */
#include "cli/format.h"
#include "cli/json.h"
#include "cli/produce_input.h"
#include "common/base/memory.h"
#include "tests/fuzz/fuzz.h"

#define ARENA_LIMIT (16U << 20)

enum kind { KIND_FORMAT, KIND_ENVELOPE, KIND_JSON, KIND_BASE64, KIND_LINES, KIND_DELIMITER, KIND_COUNT };

/* A record whose parts are taken from the input, its headers well-formed as those that the log gives. */
static void take_record(struct bytes *input, struct record *record, struct buffer *headers)
{
    const uint8_t shape = fuzz_byte(input);

    *record = (struct record){.offset = fuzz_byte(input), .timestamp = (int64_t)fuzz_byte(input) - 1};
    record->key = (shape & 1) != 0 ? BYTES_NULL : fuzz_take(input, fuzz_byte(input));
    record->value = (shape & 2) != 0 ? BYTES_NULL : fuzz_take(input, fuzz_byte(input));
    for (int i = shape >> 6; i > 0; i--) {
        const struct bytes name = fuzz_take(input, fuzz_byte(input) % 32);
        const struct bytes value = fuzz_take(input, fuzz_byte(input) % 32);
        const uint8_t sizes[2] = {(uint8_t)(2 * name.size), (uint8_t)(2 * value.size)}; /* zigzag */

        buffer_append(headers, &sizes[0], 1);
        buffer_append(headers, name.data, name.size);
        buffer_append(headers, &sizes[1], 1);
        buffer_append(headers, value.data, value.size);
        record->header_count++;
    }
    record->headers = headers->size > 0 ? buffer_bytes(headers) : bytes_of("", 0);
}

static void check_print(struct bytes input, bool envelope)
{
    const char *text = "";
    char *copy = NULL;
    struct buffer headers;
    struct buffer out;
    struct record record;
    struct placed_record placed = {.topic = STRING("events"), .partition = 3, .leader_id = 1, .record = &record};

    buffer_init(&headers);
    buffer_init(&out);
    take_record(&input, &record, &headers);
    if (envelope) {
        struct json_value *value;
        struct arena arena;
        size_t error_at;

        arena_init(&arena, ARENA_LIMIT);
        format_print_json(&placed, &out);
        ASSERT(out.size > 0 && memchr(out.data, '\n', out.size - 1) == NULL);
        ASSERT(json_read((struct string){(const char *)out.data, out.size}, &arena, &value, &error_at) == STATUS_OK);
        ASSERT(json_find(value, "offset") != NULL);
        arena_deinit(&arena);
    } else {
        struct format format;
        size_t error_at;

        copy = memory_copy_text((const char *)input.data, input.size);
        text = copy;
        if (format_compile(&format, text, &error_at) == STATUS_OK) {
            format_print(&format, &placed, &out);
            format_deinit(&format);
        } else {
            ASSERT(error_at <= strlen(text));
        }
    }
    memory_free(copy);
    buffer_deinit(&headers);
    buffer_deinit(&out);
}

static void write_value(struct json_writer *json, const struct json_value *value)
{
    int64_t number;

    switch (value->kind) {
    case JSON_NULL:
        json_null(json);
        break;
    case JSON_BOOL:
        json_bool(json, value->truth);
        break;
    case JSON_NUMBER:
        if (json_integer(value, &number) == STATUS_OK) {
            json_number(json, number);
        } else {
            json_null(json);
        }
        break;
    case JSON_STRING:
        json_string(json, value->text);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        (value->kind == JSON_ARRAY ? json_begin_array : json_begin_object)(json);
        for (const struct json_value *child = value->first; child != NULL; child = child->next) {
            if (value->kind == JSON_OBJECT) {
                char *name = memory_copy_text(child->name.data, child->name.size);

                json_name(json, name);
                memory_free(name);
            }
            write_value(json, child);
        }
        (value->kind == JSON_ARRAY ? json_end_array : json_end_object)(json);
        break;
    }
}

/* What is read, written, read and written again is the same as after the first time. */
static void check_json(struct bytes input)
{
    struct arena arena;
    struct buffer first;
    struct buffer second;
    struct json_value *value;
    struct json_writer json;
    size_t error_at;

    arena_init(&arena, ARENA_LIMIT);
    buffer_init(&first);
    buffer_init(&second);
    if (json_read((struct string){(const char *)input.data, input.size}, &arena, &value, &error_at) == STATUS_OK) {
        json_writer_init(&json, &first);
        write_value(&json, value);
        ASSERT(json_read((struct string){(const char *)first.data, first.size}, &arena, &value, &error_at) ==
               STATUS_OK);
        json_writer_init(&json, &second);
        write_value(&json, value);
        ASSERT(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    } else {
        ASSERT(error_at <= input.size);
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    arena_deinit(&arena);
}

static void check_base64(struct bytes input)
{
    struct arena arena;
    struct buffer text;
    struct bytes bytes;

    arena_init(&arena, ARENA_LIMIT);
    buffer_init(&text);
    if (base64_read((struct string){(const char *)input.data, input.size}, &arena, &bytes) == STATUS_OK) {
        ASSERT(bytes.size <= input.size / 4 * 3);
    }
    base64_append(&text, input);
    ASSERT(base64_read((struct string){(const char *)text.data, text.size}, &arena, &bytes) == STATUS_OK ||
           input.size == 0);
    ASSERT(input.size == 0 || bytes_equal(bytes, input));
    (void)utf8_valid(input);
    buffer_deinit(&text);
    arena_deinit(&arena);
}

static void check_delimiter(struct bytes input)
{
    char *text = memory_copy_text((const char *)input.data, input.size);
    struct string delimiter;
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);
    if (delimiter_parse(text, &arena, &delimiter) == STATUS_OK) {
        ASSERT(delimiter.size > 0 && delimiter.size <= strlen(text));
    }
    arena_deinit(&arena);
    memory_free(text);
}

/* The pieces are the same however the input is cut. */
static void count_records(struct bytes text, const struct produce_input_options *options, size_t chunk,
                          struct buffer *log)
{
    struct produce_input input;

    produce_input_init(&input, options);
    while (true) {
        struct produce_record record;
        const char *why = NULL;
        const enum status status = produce_input_next(&input, &record, &why);

        if (status == STATUS_OK) {
            buffer_append_format(log, "%zu %zu %zu %lld;", record.draft.key.size, record.draft.value.size,
                                 record.draft.header_count, (long long)record.draft.timestamp);
        } else if (status == STATUS_INVALID) {
            ASSERT(why != NULL);
            buffer_append_format(log, "%s;", why);
        } else if (status == STATUS_END && text.size > 0) {
            produce_input_add(&input, fuzz_take(&text, chunk));
        } else if (status == STATUS_END && !input.ended) {
            produce_input_end(&input);
        } else {
            ASSERT(status == STATUS_END);
            break;
        }
    }
    produce_input_deinit(&input);
}

static void check_lines(struct bytes input)
{
    const uint8_t choice = fuzz_byte(&input);
    struct produce_input_options options = {.delimiter = (choice & 1) != 0 ? STRING("\n") : STRING("ab"),
                                            .key_delimiter = (choice & 2) != 0 ? STRING(":") : STRING_NULL,
                                            .empty_is_null = (choice & 4) != 0,
                                            .json = (choice & 8) != 0};
    struct buffer whole;
    struct buffer cut;

    buffer_init(&whole);
    buffer_init(&cut);
    count_records(input, &options, SIZE_MAX, &whole);
    count_records(input, &options, 1, &cut);
    ASSERT(bytes_equal(buffer_bytes(&whole), buffer_bytes(&cut)));
    buffer_deinit(&whole);
    buffer_deinit(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned kind = fuzz_byte(&input) % KIND_COUNT;

    switch (kind) {
    case KIND_FORMAT:
    case KIND_ENVELOPE:
        check_print(input, kind == KIND_ENVELOPE);
        break;
    case KIND_JSON:
        check_json(input);
        break;
    case KIND_BASE64:
        check_base64(input);
        break;
    case KIND_DELIMITER:
        check_delimiter(input);
        break;
    default:
        check_lines(input);
        break;
    }
    return 0;
}
