#!/usr/bin/env python3
"""Runs the parts of the conformance suite: see run.sh. A part is a module with `run(suite)`; its tests call
`suite.test` with a name and a function, which raises Failure to fail."""
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, 'build', 'conformance')
# The dump comes last: it reads what all the others left, and what was recovered.
PARTS = ('schemas', 'roundtrip', 'tools', 'traps', 'drills', 'dump')
OUTPUT_SHOWN = 2000


class Failure(Exception):
    """A test's finding."""


class Skip(Exception):
    """Why a test cannot be done here."""


def expect(what, expected, got):
    if expected != got:
        raise Failure(f'{what}: expected {expected!r}, got {got!r}')


def expect_in(what, part, text):
    if part not in text:
        raise Failure(f'{what}: expected {part!r} in {text[-OUTPUT_SHOWN:]!r}')


def command(words, seconds, **options):
    """Runs a command and returns its output; a code other than 0 is a failure that shows the output's end."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds,
                              check=False, **options)
    except subprocess.TimeoutExpired as error:
        text = (error.stderr or b'').decode(errors='replace')[-OUTPUT_SHOWN:]
        raise Failure(f'no end within {seconds} s: {" ".join(words)}\n{text}') from None
    if done.returncode != 0:
        raise Failure(f'ended with {done.returncode}: {" ".join(words)}\n{(done.stdout + done.stderr)[-OUTPUT_SHOWN:]}')
    return done.stdout


class Suite:
    def __init__(self, full):
        self.full = full
        self.lock = threading.Lock()  # tests may run side by side
        self.passed = self.failed = self.skipped = 0
        self.part = ''
        self.cluster = None
        self.tag = f'{int(time.time()) % 1000000:06d}'  # makes names of topics new in a cluster that is kept

    def test(self, name, function, *arguments):
        """True if it passed."""
        begin = time.monotonic()
        result, why = 'ok', ''
        try:
            function(*arguments)
        except Skip as skip:
            result, why = 'skipped', f': {skip}'
        except Failure as failure:
            result, why = 'failed', f'\n{failure}'
        except Exception:  # pylint: disable=broad-except
            result, why = 'failed', f'\n{traceback.format_exc()}'
        with self.lock:
            self.passed += result == 'ok'
            self.failed += result == 'failed'
            self.skipped += result == 'skipped'
            print(f'{self.part}/{name}: {result} ({time.monotonic() - begin:.1f} s)' + why.replace('\n', '\n    '),
                  flush=True)
        return result == 'ok'

    def run(self, part):
        """One part; its own line tells how it went as a whole."""
        self.part = part
        before = self.failed
        begin = time.monotonic()
        try:
            importlib.import_module(part).run(self)
        except (Exception, Skip):  # pylint: disable=broad-except
            print(traceback.format_exc())
            self.failed += 1
        print(f'{part}: {"ok" if self.failed == before else "failed"} ({time.monotonic() - begin:.1f} s)', flush=True)


def main():
    sys.path.insert(0, HERE)
    sys.path.insert(0, os.path.join(HERE, 'clients'))
    # The parts import this module by its name: they and this program have to mean the same classes.
    sys.modules['suite'] = sys.modules['__main__']
    import cluster  # pylint: disable=import-outside-toplevel
    parts = sys.argv[1:] or PARTS
    for part in parts:
        if part not in PARTS:
            sys.exit(f'run.sh: there is no part {part}; there are: {" ".join(PARTS)}')
    os.makedirs(BUILD, exist_ok=True)
    suite = Suite(os.environ.get('CONFORMANCE_SCALE', 'small') == 'full')
    suite.cluster = cluster.Cluster()
    # Told to stop, it still stops its cluster and says how far it came.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for part in parts:
            suite.run(part)
    except (SystemExit, KeyboardInterrupt):
        print(f'{suite.part}: stopped from outside')
        suite.failed += 1
    finally:
        suite.cluster.stop(keep=bool(os.environ.get('CONFORMANCE_KEEP')))
    print(f'{suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped')
    sys.exit(1 if suite.failed or not suite.passed else 0)


if __name__ == '__main__':
    main()
