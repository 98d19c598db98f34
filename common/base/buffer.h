/* A growable run of bytes with an owner. Appending may move the memory: keep offsets, not pointers. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void buffer_init(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer);
/* Room for `size` more bytes; returns where they go. The size grows with buffer_append or by the caller. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* The size becomes 0, the memory stays. */
void buffer_clear(struct buffer *buffer);

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->size};
}

#endif
