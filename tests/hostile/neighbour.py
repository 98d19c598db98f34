"""A client that does nothing wrong, in a process of its own so that the attackers do not slow it down themselves. It
produces a record and fetches it, or asks a controller, again and again, and writes a line for each:

    END-MONOTONIC MILLISECONDS LATE          or          END-MONOTONIC error TEXT

LATE is by how many milliseconds the process was woken too late from its pause before: what the machine does to
everybody, whatever the server does.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == '__main__':
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'conformance'))
import batch  # noqa: E402  pylint: disable=wrong-import-position
import wire  # noqa: E402  pylint: disable=wrong-import-position
from suite import Failure  # noqa: E402  pylint: disable=wrong-import-position

PAUSE_SECONDS = 0.002
PAYLOAD = b'neighbour' * 10


class Neighbour:
    """The other end: starts it and reads its lines."""

    def __init__(self, address, topic, path):
        self.path = path
        with open(path, 'wb') as file:
            self.process = subprocess.Popen([sys.executable, '-B', os.path.abspath(__file__), address, topic],
                                            stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def between(self, begin, end):
        """(milliseconds of each round that ended then, sorted; errors; lateness of each, sorted)."""
        times, errors, late = [], [], []
        with open(self.path, encoding='utf-8') as file:
            for line in file:
                words = line.rstrip('\n').split(' ', 2)
                if not line.endswith('\n') or not words[0][:1].isdigit():
                    continue
                if begin <= float(words[0]) <= end:
                    if words[1] == 'error':
                        errors.append(words[2])
                    else:
                        times.append(float(words[1]))
                        late.append(float(words[2]))
        return sorted(times), errors, sorted(late)


def percentile(times, part):
    return times[min(len(times) - 1, int(len(times) * part))] if times else 0.0


class Rounds:
    def __init__(self, address, topic):
        self.connection = wire.Connection(address, 10)
        self.topic = topic
        self.id = None
        if topic != '-':
            self.id = self.connection.ask('Metadata', topics=[{'name': topic}])['topics'][0]['topic_id']

    def one(self):
        if self.topic == '-':
            answer = self.connection.ask('DescribeCluster')
            if answer['error_code']:
                raise Failure(f'error {answer["error_code"]}')
            return
        answer = self.connection.ask('Produce', acks=1, timeout_ms=10000, topic_data=[{
            'name': self.topic, 'topic_id': self.id,
            'partition_data': [{'index': 0, 'records': batch.build([PAYLOAD])}]}])
        got = answer['responses'][0]['partition_responses'][0]
        if got['error_code']:
            raise Failure(f'error {got["error_code"]} of produce')
        found = self.fetch(got['base_offset'])
        if found['error_code'] == 0 and not found['records']:
            # A node that is short of memory answers before there is anything, or the time is up: ask again.
            found = self.fetch(got['base_offset'])
        if found['error_code'] or PAYLOAD not in (found['records'] or b''):
            raise Failure(f'error {found["error_code"]} of fetch, {len(found["records"] or b"")} bytes')

    def fetch(self, offset):
        answer = self.connection.ask('Fetch', max_wait_ms=1000, min_bytes=1, max_bytes=1 << 20, topics=[{
            'topic': self.topic, 'topic_id': self.id, 'partitions': [{
                'partition': 0, 'fetch_offset': offset, 'partition_max_bytes': 1 << 20}]}])
        return answer['responses'][0]['partitions'][0]


def main():
    address, topic = sys.argv[1:]
    rounds = None
    late = 0.0
    while os.getppid() != 1:
        begin = time.monotonic()
        try:
            rounds = rounds or Rounds(address, topic)
            rounds.one()
            text = f'{(time.monotonic() - begin) * 1000:.3f} {late * 1000:.3f}'
        except (OSError, wire.Closed, Failure) as error:
            rounds = None
            text = f'error {type(error).__name__} {error}'.replace('\n', ' ')
        print(f'{time.monotonic():.6f} {text}', flush=True)
        begin = time.monotonic()
        time.sleep(PAUSE_SECONDS)
        late = time.monotonic() - begin - PAUSE_SECONDS


if __name__ == '__main__':
    main()
