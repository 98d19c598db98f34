#!/usr/bin/env python3
"""Runs the parts of the hostile suite: see run.sh. Parts are modules with `run(suite)`, tests are as in the conformance
suite, whose client of the protocol they use."""
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'conformance'))
sys.path.insert(0, HERE)
import suite as conformance  # noqa: E402  pylint: disable=wrong-import-position

PARTS = {'peers': 'peers', 'disk': 'full_disk', 'pauses': 'pauses', 'clocks': 'clocks', 'dead': 'dead_disks'}


def memory_directory():
    try:
        if shutil.disk_usage('/dev/shm').free > 2 << 30:
            return tempfile.mkdtemp(prefix='millrace-hostile-', dir='/dev/shm')
    except OSError:
        pass
    return None


class Suite(conformance.Suite):
    def __init__(self):
        super().__init__(os.environ.get('HOSTILE_SCALE', 'small') == 'full')
        self.directory = os.environ.get('HOSTILE_DIR', os.path.join(ROOT, 'build', 'hostile'))
        # Peers are about sockets: their cluster lies in memory, if there is enough, so that disks do not interfere.
        self.memory = memory_directory() or self.directory
        self.only = os.environ.get('HOSTILE_TESTS', '').split()
        self.clusters = []

    def test(self, name, function, *arguments):
        if self.only and not any(word in name for word in self.only):
            return True
        return super().test(name, function, *arguments)

    def stop(self):
        for cluster in self.clusters:
            cluster.stop()
        if not os.environ.get('HOSTILE_KEEP'):
            shutil.rmtree(self.directory, ignore_errors=True)
            shutil.rmtree(self.memory, ignore_errors=True)


def main():
    parts = sys.argv[1:] or list(PARTS)
    for part in parts:
        if part not in PARTS:
            sys.exit(f'run.sh: there is no part {part}; there are: {" ".join(PARTS)}')
    suite = Suite()
    shutil.rmtree(suite.directory, ignore_errors=True)
    os.makedirs(suite.directory)
    # Told to stop, it still ends its processes and says how far it came.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for part in parts:
            suite.run(PARTS[part])
    except (SystemExit, KeyboardInterrupt):
        print(f'{suite.part}: stopped from outside')
        suite.failed += 1
    finally:
        suite.stop()
    print(f'{suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped')
    sys.exit(1 if suite.failed or not suite.passed else 0)


if __name__ == '__main__':
    main()
