/* Formatting and escaping of log lines.
 *
 * Both formats share JSON's escapes: a logfmt value stands bare if it consists of harmless characters, else it is
 * quoted as a JSON string. Text may hold anything a peer sent: control characters become \u00XX, bytes that are no
 * UTF-8 become \ufffd, so a line is one line and valid UTF-8 whatever was traced. */
#include "common/trace/line.h"

#include "common/base/assert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

/* What trace_line_end may still need: `,"truncated":true}` and the newline. */
#define LINE_RESERVE 24

/* Appends; false (and nothing written) if it does not fit. */
static bool line_put(struct trace_line *line, const char *text, size_t size)
{
    if (size > sizeof(line->text) - LINE_RESERVE - line->size) {
        return false;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
    return true;
}

static bool line_put_text(struct trace_line *line, const char *text)
{
    return line_put(line, text, strlen(text));
}

/* Bytes of the UTF-8 sequence at `text`, 0 if it is none (overlong forms, surrogates and beyond U+10FFFF included). */
static size_t utf8_sequence(const uint8_t *text, size_t size)
{
    const uint8_t lead = text[0];
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) || (lead == 0xf0 && text[1] < 0x90) ||
        (lead == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return length;
}

static bool line_put_escaped(struct trace_line *line, uint8_t byte)
{
    char escaped[8];

    switch (byte) {
    case '"':
        return line_put_text(line, "\\\"");
    case '\\':
        return line_put_text(line, "\\\\");
    case '\n':
        return line_put_text(line, "\\n");
    case '\r':
        return line_put_text(line, "\\r");
    case '\t':
        return line_put_text(line, "\\t");
    default:
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)byte);
        return line_put_text(line, escaped);
    }
}

static bool line_put_quoted(struct trace_line *line, struct string text, bool cut)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    bool fits = line_put_text(line, "\"");

    for (size_t at = 0; fits && at < text.size;) {
        const size_t length = utf8_sequence(bytes + at, text.size - at);

        if (length == 0) {
            fits = line_put_text(line, "\\ufffd");
        } else if (length == 1 && (bytes[at] < 0x20 || bytes[at] == 0x7f || bytes[at] == '"' || bytes[at] == '\\')) {
            fits = line_put_escaped(line, bytes[at]);
        } else {
            fits = line_put(line, text.data + at, length);
        }
        at += length > 0 ? length : 1;
    }
    return fits && line_put_text(line, cut ? "...\"" : "\"");
}

/* May stand in logfmt without quotes, and cannot be taken for something else. */
static bool bare_in_logfmt(struct string text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return text.size > 0 && !string_is(text, "null");
}

static bool line_put_string(struct trace_line *line, struct string text)
{
    const bool cut = text.size > TRACE_VALUE_MAX;

    if (text.data == NULL) {
        return line_put_text(line, "null");
    }
    if (cut) {
        text.size = TRACE_VALUE_MAX;
        /* Not in the middle of a character. */
        while (text.size > TRACE_VALUE_MAX - 3 && ((uint8_t)text.data[text.size] & 0xc0) == 0x80) {
            text.size--;
        }
    }
    if (line->format == TRACE_LOGFMT && !cut && bare_in_logfmt(text)) {
        return line_put(line, text.data, text.size);
    }
    return line_put_quoted(line, text, cut);
}

static bool line_put_key(struct trace_line *line, const char *key)
{
    if (line->format == TRACE_JSON) {
        return (line->first || line_put_text(line, ",")) && line_put_text(line, "\"") && line_put_text(line, key) &&
               line_put_text(line, "\":");
    }
    return (line->first || line_put_text(line, " ")) && line_put_text(line, key) && line_put_text(line, "=");
}

static bool line_put_number(struct trace_line *line, double number)
{
    char text[40];

    /* JSON has no word for these. */
    if (!isfinite(number)) {
        return line_put_text(line, "null");
    }
    snprintf(text, sizeof(text), "%.9g", number);
    return line_put_text(line, text);
}

static bool line_put_value(struct trace_line *line, const struct trace_field *field)
{
    char text[UUID_TEXT_SIZE + 1];

    switch (field->kind) {
    case TRACE_TEXT:
        return line_put_string(line, field->value.text);
    case TRACE_INTEGER:
        snprintf(text, sizeof(text), "%" PRId64, field->value.integer);
        return line_put_text(line, text);
    case TRACE_UNSIGNED:
        snprintf(text, sizeof(text), "%" PRIu64, field->value.natural);
        return line_put_text(line, text);
    case TRACE_NUMBER:
        return line_put_number(line, field->value.number);
    case TRACE_TRUTH:
        return line_put_text(line, field->value.truth ? "true" : "false");
    case TRACE_UUID:
        return line_put_string(line, string_of(uuid_format(field->value.uuid, text)));
    case TRACE_END:
        break;
    }
    UNREACHABLE();
}

void trace_line_begin(struct trace_line *line, enum trace_format format)
{
    line->format = format;
    line->size = 0;
    line->first = true;
    line->truncated = false;
    if (format == TRACE_JSON) {
        line->text[line->size++] = '{';
    }
}

void trace_line_field(struct trace_line *line, const struct trace_field *field)
{
    const size_t before = line->size;

    if (line_put_key(line, field->key) && line_put_value(line, field)) {
        line->first = false;
    } else {
        line->size = before;
        line->truncated = true;
    }
}

void trace_line_time(struct trace_line *line, int64_t wall_ms)
{
    const int64_t milliseconds = ((wall_ms % 1000) + 1000) % 1000;
    const time_t seconds = (time_t)((wall_ms - milliseconds) / 1000);
    struct tm utc;
    char text[64];

    if (gmtime_r(&seconds, &utc) == NULL) {
        const struct trace_field raw = T_INT("time_ms", wall_ms);

        trace_line_field(line, &raw);
        return;
    }
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
             utc.tm_hour, utc.tm_min, utc.tm_sec, (int)milliseconds);
    const struct trace_field field = T_TEXT("time", text);
    trace_line_field(line, &field);
}

void trace_line_end(struct trace_line *line)
{
    const char *end = line->format == TRACE_JSON ? "}\n" : "\n";
    const char *truncated = line->format == TRACE_JSON ? ",\"truncated\":true" : " truncated=true";

    /* LINE_RESERVE was kept free for these. */
    if (line->truncated) {
        memcpy(line->text + line->size, truncated, strlen(truncated));
        line->size += strlen(truncated);
    }
    memcpy(line->text + line->size, end, strlen(end));
    line->size += strlen(end);
    ASSERT(line->size <= sizeof(line->text));
}
