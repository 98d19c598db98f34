"""What holds for every hostile peer, whatever it does: the process stays, keeps within its memory, writes little to its
log, and a neighbour is served meanwhile as before."""
import os
import threading
import time

import topics
import wire
from neighbour import Neighbour, percentile
from processes import MIB
from suite import Failure

FLOOR_MS = 5.0  # below this a ratio is noise of the machine
RATIO_SMALL, RATIO_FULL = 10.0, 2.0
QUIET_SMALL, QUIET_FULL = 0.2, 3.0
SECONDS_SMALL, SECONDS_FULL = 0.5, 6.0
ATTEMPTS = 3  # on a machine that others use too, a slow neighbour may be their doing: it has to be slow each time
LINES_MAX = 120  # twenty of an event in ten seconds; five events


ATTACK_NICE = 19


def as_if_elsewhere(attack):
    """Runs it in a thread that gives way to the server and the neighbour: hostile peers have machines of their own, and
    what is measured is what the server does about them."""
    failures = []

    def run():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), ATTACK_NICE)
        try:
            attack()
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


class Lab:
    """One server under attack."""

    def __init__(self, suite, cluster, server, topic, kind):
        self.suite, self.cluster, self.server, self.kind = suite, cluster, server, kind
        self.topic = topic
        self.address = server.address
        self.port = server.port
        self.neighbour = Neighbour(server.address, topic, server.directory + '.neighbour')
        self.quiet = []
        self.rows = []
        self.note = ''
        self.topic_id = topics.describe(cluster, topic)['topic_id'] if topic != '-' else None
        self.connection = wire.Connection(server.address)  # of ours, from before any attack
        time.sleep(1.0)

    def look_around(self):
        """Measures the neighbour while nobody attacks."""
        begin = time.monotonic()
        time.sleep(QUIET_FULL if self.suite.full else QUIET_SMALL)
        times, errors, _ = self.neighbour.between(begin, time.monotonic())
        if errors:
            raise Failure(f'the neighbour has errors before the attack: {errors[:3]}')
        # Short windows hold few rounds: all that were measured so far count.
        self.quiet = sorted(times + ([] if self.suite.full else self.quiet[-2000:]))

    def repeat(self, attack, seconds=None):
        """Again and again for a while, at least once; how often."""
        end = time.monotonic() + (seconds or (SECONDS_FULL if self.suite.full else SECONDS_SMALL))
        count = 0
        while count == 0 or time.monotonic() < end:
            attack()
            count += 1
        return count

    def hold(self, attack, memory_mib, lines_max=LINES_MAX):
        """`memory_mib`: how much the process may grow at its peak."""
        allowed = RATIO_FULL if self.suite.full else RATIO_SMALL
        ratios = []
        while not ratios or (ratios[-1] > allowed and len(ratios) < ATTEMPTS):
            ratios.append(self.hold_once(attack, memory_mib, lines_max))
        if ratios[-1] > allowed:
            raise Failure(f'neighbour p99 {", ".join(f"{ratio:.1f}" for ratio in ratios)} times what it was before, or '
                          'what the machine lets everybody wait')

    def hold_once(self, attack, memory_mib, lines_max):
        self.look_around()
        self.server.forget_peak()
        before = self.server.memory()
        lines = len(self.server.lines())
        pid = self.server.pid
        self.note = ''
        begin = time.monotonic()
        try:
            as_if_elsewhere(lambda: attack(self))
        finally:
            time.sleep(0.1)
            end = time.monotonic()
            if not self.server.runs():
                raise Failure(f'{self.server.name} ended with {self.server.code()}:\n'
                              + '\n'.join(self.server.lines()[-6:]))
        grown = max(0, self.server.memory('VmHWM') - before) / MIB
        times, errors, late = self.neighbour.between(begin, end)
        quiet, now, machine = percentile(self.quiet, 0.99), percentile(times, 0.99), percentile(late, 0.99)
        ratio = max(now, FLOOR_MS) / max(quiet, FLOOR_MS)
        written = len(self.server.lines()) - lines
        self.rows.append((attack.__name__, grown, quiet, now, ratio))
        print(f'    {self.kind}: grew by {grown:.1f} of {memory_mib} MiB; neighbour p99 {quiet:.1f} -> {now:.1f} ms '
              f'({ratio:.1f}x, {len(times)} rounds, machine {machine:.1f} ms); {written} log lines{self.note}')
        if pid != self.server.pid or not self.server.runs():
            raise Failure(f'{self.server.name} is another process now')
        if errors:
            raise Failure(f'the neighbour got {len(errors)} errors: {errors[:3]}')
        if not times:
            raise Failure('the neighbour was not served at all')
        if grown > memory_mib:
            raise Failure(f'{self.server.name} grew by {grown:.1f} MiB, {memory_mib} are allowed')
        if written > lines_max:
            raise Failure(f'{written} lines in the log, {lines_max} are allowed')
        # A process that the machine itself lets wait so long tells nothing about the server.
        return max(now, FLOOR_MS) / max(quiet, FLOOR_MS, machine)

    def test(self, attack, memory_mib, lines_max=LINES_MAX):
        name = attack.__name__.replace('_', ' ')
        self.suite.test(f'{self.kind}: {name}', self.hold, attack, memory_mib, lines_max)

    def stop(self):
        self.neighbour.stop()
        self.connection.close()
