/* Takes numbers and words off a line-based checkpoint text. Nothing is trusted: files may be torn or of zeros. */
#ifndef LOG_TEXT_FIELDS_H
#define LOG_TEXT_FIELDS_H

#include "common/base/bytes.h"

/* Takes text up to `end` (which is dropped too) off `rest`; false if `end` does not occur. The result borrows. */
static inline bool text_take(struct string *rest, char end, struct string *field)
{
    const char *at = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;

    if (at == NULL) {
        return false;
    }
    *field = (struct string){rest->data, (size_t)(at - rest->data)};
    rest->data = at + 1;
    rest->size -= field->size + 1;
    return true;
}

/* A decimal number without sign that fits; false for anything else. */
static inline bool text_number(struct string text, int64_t max, int64_t *number)
{
    int64_t value = 0;

    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const int digit = text.data[i] - '0';

        if (digit < 0 || digit > 9 || value > max / 10 || value * 10 > max - digit) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

static inline bool text_take_number(struct string *rest, char end, int64_t max, int64_t *number)
{
    struct string field;

    return text_take(rest, end, &field) && text_number(field, max, number);
}

#endif
