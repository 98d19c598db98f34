/* The pool of receive blocks: its bound, what it keeps and what it gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rpc/block.h"

#define MIB ((size_t)1024 * 1024)

static int setup(void **state)
{
    static struct rpc_block_pool pool;

    rpc_block_pool_init(&pool, 100 * MIB);
    *state = &pool;
    return 0;
}

static int teardown(void **state)
{
    rpc_block_pool_deinit(*state);
    return 0;
}

static void a_block_has_at_least_what_was_asked_for(void **state)
{
    static const size_t SIZES[] = {1, RPC_BLOCK_SIZE, RPC_BLOCK_SIZE + 1, 900000, 2 * MIB, 2 * MIB + 1, 7 * MIB};
    struct rpc_block_pool *pool = *state;

    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct rpc_block *block = rpc_block_acquire(pool, SIZES[i]);

        assert_true(block->capacity >= SIZES[i]);
        assert_true(block->capacity < 2 * SIZES[i] || block->capacity == RPC_BLOCK_SIZE);
        assert_int_equal(pool->bytes, block->capacity);
        assert_true(rpc_block_unref(block));
        assert_int_equal(pool->bytes, 0);
    }
}

static void a_large_block_is_used_again(void **state)
{
    struct rpc_block_pool *pool = *state;
    struct rpc_block *first = rpc_block_acquire(pool, MIB);
    struct rpc_block *second;

    first->used = 5;
    first->parsed = 4;
    rpc_block_unref(first);
    second = rpc_block_acquire(pool, MIB - 1000);
    assert_ptr_equal(second, first);
    assert_int_equal(second->used, 0);
    assert_int_equal(second->parsed, 0);
    rpc_block_unref(second);
}

static void large_blocks_are_kept_up_to_a_bound(void **state)
{
    struct rpc_block_pool *pool = *state;
    struct rpc_block *blocks[40];

    for (size_t i = 0; i < 40; i++) {
        blocks[i] = rpc_block_acquire(pool, MIB);
    }
    for (size_t i = 0; i < 40; i++) {
        rpc_block_unref(blocks[i]);
    }
    assert_int_equal(pool->large_bytes, RPC_LARGE_KEPT_BYTES);
}

static void what_nobody_needed_since_the_last_trim_is_given_back(void **state)
{
    struct rpc_block_pool *pool = *state;
    struct rpc_block *blocks[4];

    for (size_t i = 0; i < 4; i++) {
        blocks[i] = rpc_block_acquire(pool, MIB);
    }
    for (size_t i = 0; i < 4; i++) {
        rpc_block_unref(blocks[i]);
    }
    assert_true(rpc_block_pool_trim(pool));
    assert_int_equal(pool->large_bytes, 4 * MIB);
    /* One of them is in use every now and then. */
    rpc_block_unref(rpc_block_acquire(pool, MIB));
    assert_true(rpc_block_pool_trim(pool));
    assert_int_equal(pool->large_bytes, MIB);
    assert_false(rpc_block_pool_trim(pool));
    assert_int_equal(pool->large_bytes, 0);
}

static void the_bound_holds_and_leaves_room_for_small_blocks(void **state)
{
    struct rpc_block_pool *pool = *state;
    struct rpc_block *first = rpc_block_acquire(pool, 74 * MIB);
    struct rpc_block *second = rpc_block_acquire(pool, MIB);
    struct rpc_block *third;

    assert_non_null(second);
    assert_null(rpc_block_acquire(pool, RPC_BLOCK_SIZE + 1));
    third = rpc_block_acquire(pool, RPC_BLOCK_SIZE);
    assert_non_null(third);
    rpc_block_unref(third);
    rpc_block_unref(second);
    assert_null(rpc_block_acquire(pool, MIB + 1));
    rpc_block_unref(first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_block_has_at_least_what_was_asked_for),
        TEST(a_large_block_is_used_again),
        TEST(large_blocks_are_kept_up_to_a_bound),
        TEST(what_nobody_needed_since_the_last_trim_is_given_back),
        TEST(the_bound_holds_and_leaves_room_for_small_blocks),
    };

    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
