/* Variable-length integers of the protocol: seven bits a byte, least significant first, the top bit says
 * that more follow. Signed ones are zigzag-coded (records); lengths of flexible versions are unsigned. */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT32_SIZE_MAX 5
#define VARINT64_SIZE_MAX 10

/* Decodes an unsigned value of at most `bits_max` bits from [at, end). Returns the bytes used, or 0 if the
 * value is cut off, too long or too large. */
static inline size_t varint_read(const uint8_t *at, const uint8_t *end, unsigned bits_max, uint64_t *value)
{
    uint64_t result = 0;
    unsigned shift = 0;
    const uint8_t *start = at;

    while (at < end && shift < bits_max) {
        const uint8_t byte = *at++;
        const uint64_t bits = byte & 0x7fU;

        if (bits_max - shift < 7 && (bits >> (bits_max - shift)) != 0) {
            return 0;
        }
        result |= bits << shift;
        if ((byte & 0x80U) == 0) {
            *value = result;
            return (size_t)(at - start);
        }
        shift += 7;
    }
    return 0;
}

/* Writes `value` at `at`, which has room for VARINT64_SIZE_MAX bytes; returns the bytes written. */
static inline size_t varint_write(uint8_t *at, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        at[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (uint8_t)value;
    return size;
}

static inline size_t varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static inline uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
