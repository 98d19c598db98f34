/* What the tests of record batches share. */
#include "tests/unit/batch/support.h"

static uint8_t hex_digit(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

struct space golden_load(enum golden_name name)
{
    const char *hex = goldens[name].hex;
    const size_t size = strlen(hex) / 2;
    uint8_t *data = memory_alloc(size);

    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    }
    return (struct space){data, size};
}

struct bytes exact_copy(const void *data, size_t size)
{
    return bytes_of(memory_copy(data, size), size);
}

void assert_bytes_equal(struct bytes actual, struct bytes expected)
{
    assert_int_equal(actual.size, expected.size);
    assert_int_equal(actual.data == NULL, expected.data == NULL);
    if (expected.size > 0) {
        assert_memory_equal(actual.data, expected.data, expected.size);
    }
}

#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define KEY(literal) {(literal), sizeof(literal) - 1}

static const struct record_header plain_headers[] = {
    {KEY("trace"), TEXT("abc")},
    {KEY("none"), {NULL, 0}},
    {KEY(""), TEXT("")},
};

const struct record_draft plain_records[PLAIN_RECORD_COUNT] = {
    {1700000000000, TEXT("key-1"), TEXT("value-1"), plain_headers, 3},
    {1700000000250, {NULL, 0}, TEXT("value-2"), NULL, 0},
    {1699999999000, TEXT("key-3"), {NULL, 0}, NULL, 0},
    {1700000000001, TEXT(""), TEXT(""), NULL, 0},
    {1700000000002, TEXT("key-5"),
     TEXT("the same words, the same words, the same words, the same words, the same words"), NULL, 0},
};
