/* Borrowed views of memory. A view never owns what it shows; the comment of whoever hands one out says
 * how long it may be used. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `size` bytes at `data`. Null (as the protocol knows it) is data == NULL; empty is size 0 with data != NULL. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

/* Memory that may be written. */
struct space {
    uint8_t *data;
    size_t size;
};

/* UTF-8 text that is not terminated by a zero byte. Null and empty as in struct bytes. */
struct string {
    const char *data;
    size_t size;
};

#define BYTES_NULL ((struct bytes){NULL, 0})
#define STRING_NULL ((struct string){NULL, 0})
/* For printf's "%.*s". */
#define STRING_ARGS(s) (int)(s).size, ((s).data != NULL ? (s).data : "")
/* A view of a string literal. */
#define STRING(literal) ((struct string){"" literal, sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){data, size};
}

/* A view of the zero-terminated `text`; NULL gives the null string. */
static inline struct string string_of(const char *text)
{
    return (struct string){text, text != NULL ? strlen(text) : 0};
}

static inline struct bytes bytes_of_string(struct string text)
{
    return (struct bytes){(const uint8_t *)text.data, text.size};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool string_equal(struct string a, struct string b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool string_is(struct string a, const char *text)
{
    return string_equal(a, string_of(text));
}

/* Byte order of names: <0, 0, >0 as memcmp, shorter first. */
static inline int string_compare(struct string a, struct string b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    const int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

#endif
