/* Runs all tests of the partition log; one program, so that they share the world. */
#include "tests/unit/storage-log/world.h"

int main(void)
{
    return test_append() + test_read() + test_producers() + test_journal() + test_recovery() + test_recycle() +
           test_room() + test_retention() + test_epochs() + test_checkpoints() + test_faults() + test_exhaustion();
}
