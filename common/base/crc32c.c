/* CRC-32C by ISA-L, in pieces that its int length can say. */
#include "common/base/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

/* ISA-L leaves the upper halves of the vector registers dirty, and until they are cleared the SSE code that follows is
 * slow: some
 * 250 ns for each batch. */
#if defined(__x86_64__)
__attribute__((target("avx"))) static void crc32c_clear_vectors(void)
{
    __builtin_ia32_vzeroupper();
}

static void crc32c_leave(void)
{
    if (__builtin_cpu_supports("avx")) {
        crc32c_clear_vectors();
    }
}
#else
static void crc32c_leave(void)
{
}
#endif

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
    crc32c_leave();
    return ~state;
}

uint32_t crc32c(const void *data, size_t size)
{
    return crc32c_extend(0, data, size);
}
