/* See message.h. */
#include "tests/fuzz/message.h"

#include "common/base/memory.h"
#include "tests/fuzz/fuzz.h"

#define ARENA_LIMIT (8U << 20)

static void check_dump(const struct message_type *type, const void *message)
{
    struct buffer text;

    buffer_init(&text);
    type->dump(message, &text);
    for (size_t i = 0; i < text.size; i++) {
        ASSERT(text.data[i] >= ' ' && text.data[i] < 0x7f);
    }
    buffer_deinit(&text);
}

/* False if `body` does not decode; else *taken is how much of it is the message, and `again` its encoding. */
static bool recode(const struct message_type *type, int16_t version, struct bytes body, size_t *taken,
                   struct buffer *again)
{
    struct arena arena;
    struct reader reader;
    struct writer writer;
    void *message = memory_alloc_zero(1, type->size);
    bool ok;

    arena_init(&arena, ARENA_LIMIT);
    reader_init(&reader, body, &arena);
    type->read(message, &reader, version);
    ok = reader_ok(&reader);
    if (ok) {
        *taken = body.size - reader_left(&reader);
        check_dump(type, message);
        writer_init(&writer);
        type->write(message, &writer, version);
        fuzz_flatten(&writer, again);
        writer_deinit(&writer);
    } else {
        ASSERT(reader.at == reader.end && reader.failed_at <= body.size);
    }
    ASSERT(arena.total <= ARENA_LIMIT);
    arena_deinit(&arena);
    memory_free(message);
    return ok;
}

/* An arena that is full somewhere on the way is a message that does not decode, nothing worse. */
static void decode_tightly(const struct message_type *type, int16_t version, struct bytes body)
{
    const size_t limit = body.size * 7919 % (8 * body.size + 64);
    void *message = memory_alloc_zero(1, type->size);
    struct reader reader;
    struct arena arena;

    arena_init(&arena, limit);
    reader_init(&reader, body, &arena);
    type->read(message, &reader, version);
    ASSERT(arena.total <= limit);
    ASSERT(reader_ok(&reader) || reader.at == reader.end);
    arena_deinit(&arena);
    memory_free(message);
}

bool fuzz_message(const struct message_type *type, int16_t version, bool flexible, struct bytes body)
{
    struct buffer first;
    struct buffer second;
    size_t taken = 0;
    bool ok;

    buffer_init(&first);
    buffer_init(&second);
    decode_tightly(type, version, body);
    ok = recode(type, version, body, &taken, &first);
    if (ok) {
        size_t all = 0;

        ASSERT(flexible ? first.size <= taken : first.size == taken);
        ASSERT(recode(type, version, buffer_bytes(&first), &all, &second));
        ASSERT(all == first.size);
        ASSERT(second.size == first.size);
        ASSERT(first.size == 0 || memcmp(first.data, second.data, first.size) == 0);
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    return ok;
}
