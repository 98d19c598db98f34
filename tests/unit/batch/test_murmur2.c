/* murmur2: the values that the Java client computes. */
#include "common/batch/murmur2.h"
#include "tests/unit/batch/support.h"

static void hashes_and_partitions_are_those_of_the_java_client(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
        int32_t partition; /* of twelve */
    } rows[] = {
        {"", 275646681, 9},
        {"a", -1563381124, 4},
        {"ab", 316155434, 2},
        {"abc", 479470107, 3},
        {"abcd", -1323649548, 8},
        {"21", -973932308, 0},
        {"foobar", -790332482, 6},
        {"a-little-bit-long-string", -985981536, 8},
        {"a-little-bit-longer-string", -1486304829, 11},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5},
        {"\x80\xff\xfe\x81\x90\xa0\xf0", 159015277, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct bytes key = bytes_of_string(string_of(rows[i].key));

        assert_int_equal((int32_t)murmur2(key), rows[i].hash);
        assert_int_equal(murmur2_partition(key, 12), rows[i].partition);
    }
}

static void hash_reads_no_byte_behind_the_key(void **state)
{
    (void)state;
    for (size_t size = 0; size < 9; size++) {
        const struct bytes key = exact_copy("aaaaaaaaa", size);

        assert_int_equal(murmur2(key), murmur2(bytes_of("aaaaaaaaa", size)));
        memory_free((void *)(uintptr_t)key.data);
    }
}

int test_murmur2(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_partitions_are_those_of_the_java_client),
        cmocka_unit_test(hash_reads_no_byte_behind_the_key),
    };

    return cmocka_run_group_tests_name("murmur2", tests, NULL, NULL);
}
