/* The codecs: round trips, limits, damage, bombs. */
#include "common/batch/compression.h"

#include "common/base/endian.h"
#include "tests/unit/batch/support.h"

#include <snappy-c.h>

#define EVERY_CODEC(codec) enum compression codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++

struct fixture {
    struct prng prng;
    struct compression_context *context;
    struct buffer plain;
    struct buffer packed;
    struct buffer out;
};

static int setup(void **state)
{
    struct fixture *f = memory_alloc_zero(1, sizeof(*f));

    prng_init(&f->prng, 42);
    f->context = compression_context_create();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    compression_context_destroy(f->context);
    buffer_deinit(&f->plain);
    buffer_deinit(&f->packed);
    buffer_deinit(&f->out);
    memory_free(f);
    return 0;
}

/* Bytes between text and noise: runs, repeats and random parts. */
static void plain_fill(struct fixture *f, size_t size)
{
    buffer_clear(&f->plain);
    while (f->plain.size < size) {
        const size_t left = size - f->plain.size;
        size_t part = 1 + prng_below(&f->prng, 300);
        uint8_t *at = buffer_reserve(&f->plain, part);
        const uint64_t kind = prng_below(&f->prng, 3);

        part = part < left ? part : left;
        for (size_t i = 0; i < part; i++) {
            at[i] = kind == 0 ? (uint8_t)prng_next(&f->prng) : kind == 1 ? 'x' : (uint8_t)('a' + i % 26);
        }
        f->plain.size += part;
    }
}

static void pack(struct fixture *f, enum compression codec)
{
    buffer_clear(&f->packed);
    compression_encode(f->context, codec, compression_level_default(codec), buffer_bytes(&f->plain), &f->packed);
}

/* Decompresses an exact copy of `input`, so that reading past its end is found. */
static enum status unpack(struct fixture *f, enum compression codec, struct bytes input, size_t limit)
{
    const struct bytes copy = exact_copy(input.data, input.size);
    enum status status;

    buffer_clear(&f->out);
    status = compression_decode(f->context, codec, copy, limit, &f->out);
    memory_free((void *)(uintptr_t)copy.data);
    return status;
}

static void every_codec_and_size_survives_a_round_trip(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4095, 4096, 32767, 32768, 32769, 65536, 65537, 300000};
    struct fixture *f = *state;

    for (enum compression codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
            plain_fill(f, sizes[i]);
            pack(f, codec);
            assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), sizes[i]), STATUS_OK);
            assert_int_equal(f->out.size, sizes[i]);
            assert_true(sizes[i] == 0 || memcmp(f->out.data, f->plain.data, sizes[i]) == 0);
        }
    }
}

static void every_level_survives_a_round_trip_without_a_context(void **state)
{
    static const int zstd_levels[] = {-131072, -5, 1, 3, 9, 19, 22};
    struct fixture *f = *state;

    plain_fill(f, 20000);
    for (EVERY_CODEC(codec)) {
        for (int level = -1; level <= 17; level++) {
            const int wanted = codec == COMPRESSION_ZSTD ? zstd_levels[(level + 1) % 7] : level;

            if (!compression_level_valid(codec, wanted)) {
                continue;
            }
            buffer_clear(&f->packed);
            buffer_clear(&f->out);
            compression_encode(NULL, codec, wanted, buffer_bytes(&f->plain), &f->packed);
            assert_int_equal(compression_decode(NULL, codec, buffer_bytes(&f->packed), 20000, &f->out), STATUS_OK);
            assert_bytes_equal(buffer_bytes(&f->out), buffer_bytes(&f->plain));
        }
    }
}

static void output_is_appended_and_a_failure_leaves_it_as_it_was(void **state)
{
    struct fixture *f = *state;

    plain_fill(f, 5000);
    for (enum compression codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        pack(f, codec);
        buffer_clear(&f->out);
        buffer_append(&f->out, "before", 6);
        assert_int_equal(compression_decode(f->context, codec, buffer_bytes(&f->packed), 4999, &f->out),
                         STATUS_TOO_LARGE);
        assert_bytes_equal(buffer_bytes(&f->out), bytes_of("before", 6));
        assert_int_equal(compression_decode(f->context, codec, buffer_bytes(&f->packed), 5000, &f->out), STATUS_OK);
        assert_int_equal(f->out.size, 5006);
        assert_memory_equal(f->out.data + 6, f->plain.data, 5000);
    }
}

static void a_bomb_stops_at_the_limit_with_no_more_memory_than_that(void **state)
{
    const size_t limit = 1024 * 1024;
    struct fixture *f = *state;

    /* 128 MiB of zeros: as small as each codec can say it. */
    memset(buffer_reserve(&f->plain, 128 * limit), 0, 128 * limit);
    f->plain.size = 128 * limit;
    for (EVERY_CODEC(codec)) {
        pack(f, codec);
        buffer_deinit(&f->out);
        assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), limit), STATUS_TOO_LARGE);
        assert_true(f->out.capacity <= limit + 1);
    }
}

static void a_zstd_frame_of_one_kilobyte_that_means_32_mebibytes_stops_at_the_limit(void **state)
{
    const size_t limit = 100000;
    struct fixture *f = *state;
    /* Magic, no flags, window 2^27; then run-length blocks of 128 KiB in four bytes each. */
    uint8_t bomb[6 + 4 * 256] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3};

    for (size_t at = 6; at < sizeof(bomb); at += 4) {
        const uint32_t block = (uint32_t)(131072U << 3 | 1U << 1 | (at + 4 == sizeof(bomb)));

        bomb[at] = (uint8_t)block;
        bomb[at + 1] = (uint8_t)(block >> 8);
        bomb[at + 2] = (uint8_t)(block >> 16);
    }
    assert_int_equal(unpack(f, COMPRESSION_ZSTD, bytes_of(bomb, sizeof(bomb)), limit), STATUS_TOO_LARGE);
    assert_true(f->out.capacity <= limit + 1);
    assert_int_equal(unpack(f, COMPRESSION_ZSTD, bytes_of(bomb, sizeof(bomb)), 256 * 131072), STATUS_OK);
    assert_int_equal(f->out.size, 256 * 131072);
    /* One window more than the largest that clients take. */
    bomb[5] = 17 << 3 | 1;
    assert_int_equal(unpack(f, COMPRESSION_ZSTD, bytes_of(bomb, sizeof(bomb)), limit), STATUS_CORRUPT);
}

static void a_snappy_block_that_lies_about_its_size_is_not_allocated_for(void **state)
{
    /* Claims 2^30 bytes, then 2^32 - 1. */
    static const uint8_t lies[][8] = {{0x80, 0x80, 0x80, 0x80, 0x04, 0xfe, 0x01, 0x00},
                                      {0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 0x01, 0x00}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        assert_int_equal(unpack(f, COMPRESSION_SNAPPY, bytes_of(lies[i], 8), INT32_MAX), STATUS_CORRUPT);
        assert_int_equal(f->out.capacity, 0);
    }
}

static void raw_snappy_is_read_too(void **state)
{
    struct fixture *f = *state;
    size_t size;

    plain_fill(f, 100000);
    size = snappy_max_compressed_length(f->plain.size);
    assert_int_equal(snappy_compress((const char *)f->plain.data, f->plain.size,
                                     (char *)buffer_reserve(&f->packed, size), &size),
                     SNAPPY_OK);
    f->packed.size = size;
    assert_int_equal(unpack(f, COMPRESSION_SNAPPY, buffer_bytes(&f->packed), 100000), STATUS_OK);
    assert_bytes_equal(buffer_bytes(&f->out), buffer_bytes(&f->plain));
    assert_int_equal(unpack(f, COMPRESSION_SNAPPY, buffer_bytes(&f->packed), 99999), STATUS_TOO_LARGE);
}

static void streams_in_a_row_are_read_as_one(void **state)
{
    struct fixture *f = *state;

    plain_fill(f, 50000);
    for (EVERY_CODEC(codec)) {
        pack(f, codec);
        compression_encode(f->context, codec, compression_level_default(codec), bytes_of("tail", 4), &f->packed);
        assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), 50004), STATUS_OK);
        assert_int_equal(f->out.size, 50004);
        assert_memory_equal(f->out.data, f->plain.data, 50000);
        assert_memory_equal(f->out.data + 50000, "tail", 4);
        assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), 50003), STATUS_TOO_LARGE);
    }
}

static void something_else_behind_the_stream_is_corrupt(void **state)
{
    struct fixture *f = *state;

    plain_fill(f, 3000);
    for (EVERY_CODEC(codec)) {
        pack(f, codec);
        buffer_append(&f->packed, "?", 1);
        assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), 100000), STATUS_CORRUPT);
        buffer_append(&f->packed, "??????????", 10);
        assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), 100000), STATUS_CORRUPT);
    }
}

static void every_cut_is_corrupt(void **state)
{
    struct fixture *f = *state;

    plain_fill(f, 2000);
    for (EVERY_CODEC(codec)) {
        pack(f, codec);
        for (size_t size = 0; size < f->packed.size; size++) {
            const enum status status = unpack(f, codec, bytes_of(f->packed.data, size), 2000);

            /* The snappy framing has no end mark: behind its header it is a valid empty stream. */
            if (codec == COMPRESSION_SNAPPY && size == 16) {
                assert_int_equal(status, STATUS_OK);
                assert_int_equal(f->out.size, 0);
            } else {
                assert_int_equal(status, STATUS_CORRUPT);
            }
        }
    }
}

static void random_damage_never_reads_or_writes_outside(void **state)
{
    const size_t limit = 100000;
    struct fixture *f = *state;

    for (EVERY_CODEC(codec)) {
        for (int round = 0; round < 1500; round++) {
            const uint64_t flips = 1 + prng_below(&f->prng, 6);
            enum status status;

            if (round % 50 == 0) {
                plain_fill(f, prng_below(&f->prng, 90000));
            }
            pack(f, codec);
            for (uint64_t i = 0; i < flips; i++) {
                f->packed.data[prng_below(&f->prng, f->packed.size)] ^= (uint8_t)(1U << prng_below(&f->prng, 8));
            }
            status = unpack(f, codec, buffer_bytes(&f->packed), limit);
            assert_true(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_TOO_LARGE);
            assert_true(f->out.size <= limit && f->out.capacity <= limit + 1);
        }
    }
}

static void noise_is_refused_by_every_codec(void **state)
{
    struct fixture *f = *state;

    for (EVERY_CODEC(codec)) {
        for (int round = 0; round < 300; round++) {
            const size_t size = 1 + prng_below(&f->prng, 64);

            buffer_clear(&f->packed);
            for (size_t i = 0; i < size; i++) {
                *buffer_reserve(&f->packed, 1) = (uint8_t)prng_next(&f->prng);
                f->packed.size++;
            }
            /* A raw snappy block has no magic, so that noise may be one. */
            if (codec != COMPRESSION_SNAPPY) {
                assert_int_equal(unpack(f, codec, buffer_bytes(&f->packed), 1000), STATUS_CORRUPT);
            } else {
                const enum status status = unpack(f, codec, buffer_bytes(&f->packed), 1000);

                assert_true(status != STATUS_OK || f->out.size <= 1000);
            }
        }
        assert_int_equal(unpack(f, codec, bytes_of("", 0), 1000), STATUS_CORRUPT);
    }
}

static void snappy_is_framed_in_blocks_of_32_kib(void **state)
{
    struct fixture *f = *state;
    size_t first;

    plain_fill(f, 40000);
    pack(f, COMPRESSION_SNAPPY);
    assert_memory_equal(f->packed.data, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    first = load_u32(f->packed.data + 16);
    assert_int_equal(load_u32(f->packed.data + 20 + first), f->packed.size - 24 - first);
    assert_int_equal(unpack(f, COMPRESSION_SNAPPY, bytes_of(f->packed.data, 20 + first), 40000), STATUS_OK);
    assert_int_equal(f->out.size, 32768);
    /* A version that is not compatible with ours. */
    f->packed.data[15] = 2;
    assert_int_equal(unpack(f, COMPRESSION_SNAPPY, buffer_bytes(&f->packed), 40000), STATUS_CORRUPT);
}

static void lz4_is_written_as_the_java_client_reads_it(void **state)
{
    struct fixture *f = *state;

    plain_fill(f, 200000);
    pack(f, COMPRESSION_LZ4);
    /* Magic; version 1, independent blocks, no checksums, no size; blocks of 64 KiB; the header's checksum. */
    assert_memory_equal(f->packed.data, "\x04\x22\x4d\x18\x60\x40\x82", 7);
    /* The same with a damaged header checksum, as magic 0 wrote it. */
    f->packed.data[6] ^= 1;
    assert_int_equal(unpack(f, COMPRESSION_LZ4, buffer_bytes(&f->packed), 200000), STATUS_CORRUPT);
}

static void names_and_levels_are_those_of_kafkas_configuration(void **state)
{
    enum compression codec;

    (void)state;
    for (enum compression each = COMPRESSION_NONE; each < COMPRESSION_COUNT; each++) {
        assert_int_equal(compression_parse(string_of(compression_name(each)), &codec), STATUS_OK);
        assert_int_equal(codec, each);
        assert_true(compression_level_valid(each, compression_level_default(each)));
    }
    assert_int_equal(compression_parse(STRING("uncompressed"), &codec), STATUS_OK);
    assert_int_equal(codec, COMPRESSION_NONE);
    assert_int_equal(compression_parse(STRING("brotli"), &codec), STATUS_INVALID);
    assert_int_equal(compression_parse(STRING_NULL, &codec), STATUS_INVALID);
    assert_false(compression_level_valid(COMPRESSION_GZIP, 0));
    assert_false(compression_level_valid(COMPRESSION_GZIP, 10));
    assert_false(compression_level_valid(COMPRESSION_LZ4, 0));
    assert_false(compression_level_valid(COMPRESSION_LZ4, 18));
    assert_true(compression_level_valid(COMPRESSION_ZSTD, -131072));
    assert_false(compression_level_valid(COMPRESSION_ZSTD, -131073));
    assert_false(compression_level_valid(COMPRESSION_ZSTD, 23));
    assert_false(compression_level_valid(COMPRESSION_SNAPPY, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_compression(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_codec_and_size_survives_a_round_trip),
        TEST(every_level_survives_a_round_trip_without_a_context),
        TEST(output_is_appended_and_a_failure_leaves_it_as_it_was),
        TEST(a_bomb_stops_at_the_limit_with_no_more_memory_than_that),
        TEST(a_zstd_frame_of_one_kilobyte_that_means_32_mebibytes_stops_at_the_limit),
        TEST(a_snappy_block_that_lies_about_its_size_is_not_allocated_for),
        TEST(raw_snappy_is_read_too),
        TEST(streams_in_a_row_are_read_as_one),
        TEST(something_else_behind_the_stream_is_corrupt),
        TEST(every_cut_is_corrupt),
        TEST(random_damage_never_reads_or_writes_outside),
        TEST(noise_is_refused_by_every_codec),
        TEST(snappy_is_framed_in_blocks_of_32_kib),
        TEST(lz4_is_written_as_the_java_client_reads_it),
        TEST(names_and_levels_are_those_of_kafkas_configuration),
    };

    return cmocka_run_group_tests_name("compression", tests, NULL, NULL);
}
