/* Values of records of the metadata log: what decodes encodes again, to bytes that decode to the same. */
#include "common/metadata/records.h"
#include "common/metadata/replay.h"
#include "tests/fuzz/fuzz.h"

static void check_dump(const struct metadata_record *record)
{
    struct buffer text;

    buffer_init(&text);
    metadata_record_find((int16_t)record->type)->type.dump(record->message, &text);
    for (size_t i = 0; i < text.size; i++) {
        ASSERT(text.data[i] >= ' ' && text.data[i] < 0x7f);
    }
    buffer_deinit(&text);
}

static bool recode(struct bytes value, struct buffer *again, struct metadata_record *record)
{
    struct arena arena;
    enum status status;

    arena_init(&arena, RECORD_ARENA_LIMIT);
    status = metadata_record_read(value, &arena, record);
    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
    if (status == STATUS_OK) {
        metadata_record_write(record, again);
        check_dump(record);
    }
    arena_deinit(&arena);
    return status == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata_record record;
    struct metadata_record same;
    struct buffer first;
    struct buffer second;

    buffer_init(&first);
    buffer_init(&second);
    if (recode(bytes_of(data, size), &first, &record)) {
        ASSERT(first.size <= size);
        ASSERT(recode(buffer_bytes(&first), &second, &same));
        ASSERT(same.type == record.type && same.version == record.version);
        ASSERT(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    return 0;
}
