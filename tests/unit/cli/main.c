/* Runs the tests of cli, module by module. */
#include "tests/unit/cli/tests.h"

int main(void)
{
    int failed = 0;

    failed += test_address();
    failed += test_advice();
    failed += test_command();
    failed += test_consumer();
    failed += test_dev_cluster();
    failed += test_dev_process();
    failed += test_format();
    failed += test_json();
    failed += test_position();
    failed += test_produce_input();
    failed += test_producer();
    failed += test_properties();
    failed += test_segment_file();
    failed += test_table();
    return failed == 0 ? 0 : 1;
}
