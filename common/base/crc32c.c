/* CRC-32C by ISA-L, in pieces that its int length can say. */
#include "common/base/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint32_t state = ~crc;

    while (size > 0) {
        const size_t part = size > INT_MAX ? INT_MAX : size;

        /* ISA-L's prototype lacks const; it only reads. */
        state = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)part, state);
        at += part;
        size -= part;
    }
    return ~state;
}

uint32_t crc32c(const void *data, size_t size)
{
    return crc32c_extend(0, data, size);
}
