"""What others fell into, each a test with its name. The tests speak the protocol themselves (wire.py, batch.py)."""
import os

import trap_fetch
import trap_produce
import trap_protocol
import trap_topics


def run(suite):
    suite.cluster.start()
    only = os.environ.get("CONFORMANCE_TRAPS", "").split()
    for module in (trap_protocol, trap_topics, trap_produce, trap_fetch):
        for test in module.TESTS:
            if not only or test.__name__ in only:
                suite.test(test.__name__, test, suite)
