/* See fuzz.h. */
#include "tests/fuzz/fuzz.h"

void fuzz_flatten(const struct writer *writer, struct buffer *out)
{
    size_t at = 0;

    for (size_t i = 0; i < writer->splice_count; i++) {
        const struct splice *splice = &writer->splices[i];

        ASSERT(splice->at >= at && splice->records.file == NULL);
        buffer_append(out, writer->buffer.data + at, splice->at - at);
        buffer_append(out, splice->records.data, splice->records.size);
        at = splice->at;
    }
    if (writer->buffer.size > at) {
        buffer_append(out, writer->buffer.data + at, writer->buffer.size - at);
    }
    ASSERT(out->size == writer_size(writer));
}
