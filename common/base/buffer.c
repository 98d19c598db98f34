/* A growable run of bytes. */
#include "common/base/buffer.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdarg.h>
#include <stdio.h>

#define BUFFER_CAPACITY_MIN 256

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){0};
}

void buffer_deinit(struct buffer *buffer)
{
    memory_free(buffer->data);
    buffer_init(buffer);
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    ASSERT(size <= SIZE_MAX / 4);
    /* Room for nothing is a place too: an empty result is not null. */
    if (buffer->data == NULL || buffer->capacity - buffer->size < size) {
        size_t capacity = buffer->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : buffer->capacity * 2;

        if (capacity < buffer->size + size) {
            capacity = buffer->size + size;
        }
        buffer->data = memory_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    uint8_t *at = buffer_reserve(buffer, size);

    if (size > 0) {
        memcpy(at, data, size);
    }
    buffer->size += size;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    buffer_reserve(buffer, (size_t)size + 1);
    va_start(arguments, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}
