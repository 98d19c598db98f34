/* The tests of cli, one function a module; each returns the number of failures. */
#ifndef TESTS_UNIT_CLI_TESTS_H
#define TESTS_UNIT_CLI_TESTS_H

#include "common/base/attributes.h"
#include "common/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int test_address(void);
int test_advice(void);
int test_command(void);
int test_consumer(void);
int test_dev_cluster(void);
int test_dev_process(void);
int test_format(void);
int test_json(void);
int test_position(void);
int test_produce_input(void);
int test_producer(void);
int test_properties(void);
int test_segment_file(void);
int test_table(void);

/* The buffer holds exactly this text. */
#define assert_text(buffer, expected)                                                                                  \
    do {                                                                                                               \
        assert_int_equal((buffer)->size, strlen(expected));                                                            \
        assert_memory_equal((buffer)->data, expected, strlen(expected));                                               \
    } while (0)
/* The string view shows exactly this text. */
#define assert_string(view, expected)                                                                                  \
    do {                                                                                                               \
        assert_non_null((view).data);                                                                                  \
        assert_int_equal((view).size, strlen(expected));                                                               \
        assert_memory_equal((view).data, expected, strlen(expected));                                                  \
    } while (0)

#endif
