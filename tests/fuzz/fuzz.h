/* What all fuzzers share. A fuzzer is one file: it takes bytes that nobody vouches for apart, hands them to the code in
 * question and ASSERTs what must hold for any input. Choices (which API, which version, a flag) come from the first
 * bytes, so that the rest is the data as it is on the wire or on disk; where a checksum would keep the fuzzer outside a
 * flag asks for it to be put right. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/wire/writer.h"

#include <stdbool.h>

/* libFuzzer calls it. 0: the input may join the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next byte of `input`, 0 at its end. */
static inline uint8_t fuzz_byte(struct bytes *input)
{
    const uint8_t value = (uint8_t)(input->size > 0 ? input->data[0] : 0);

    if (input->size > 0) {
        input->data++;
        input->size--;
    }
    return value;
}

/* The next `size` bytes of `input`, or what is left. */
static inline struct bytes fuzz_take(struct bytes *input, size_t size)
{
    const struct bytes taken = bytes_of(input->data, size < input->size ? size : input->size);

    input->data += taken.size;
    input->size -= taken.size;
    return taken;
}

/* A big-endian number of two bytes. */
static inline uint16_t fuzz_u16(struct bytes *input)
{
    const unsigned high = fuzz_byte(input);

    return (uint16_t)(high << 8 | fuzz_byte(input));
}

/* Appends a writer's output, splices in place, to `out`. No splice may be of a file. */
void fuzz_flatten(const struct writer *writer, struct buffer *out);

#endif
