/* Runs the tests of common/batch, module by module. */
#include "tests/unit/batch/support.h"

int main(void)
{
    int failed = 0;

    failed += test_murmur2();
    failed += test_compression();
    failed += test_record_batch();
    failed += test_record();
    failed += test_batch_builder();
    return failed == 0 ? 0 : 1;
}
