#!/usr/bin/env python3
"""Writes and reads with a command: kcat or millrace. See records.py for the data.

    use_command.py kcat|millrace produce BOOTSTRAP FILE CODEC=TOPIC...
    use_command.py kcat|millrace consume BOOTSTRAP TOPIC...
"""
import base64
import json
import os
import subprocess
import sys

import records

MILLRACE = os.environ.get('MILLRACE', 'millrace')
DELIMITER = '~=record-ends=~'
KEY_DELIMITER = '~=key-ends=~'
FORMAT = '%p %o %T %K %S %h\\n%k%s'


def run_producer(command, chunks):
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    for chunk in chunks:
        process.stdin.write(chunk)
    process.stdin.close()
    if process.wait(120) != 0:
        sys.exit(f'{command[0]} ended with {process.returncode}: {" ".join(command)}')


def kcat_produce(bootstrap, path, codec, topic):
    for wanted in range(records.PARTITIONS):
        command = ['kcat', '-q', '-b', bootstrap, '-P', '-t', topic, '-p', str(wanted), '-z', codec, '-Z',
                   '-D', DELIMITER, '-K', KEY_DELIMITER, '-X', 'enable.idempotence=true', '-X', 'linger.ms=20']
        for name, value in records.KCAT_HEADERS:
            command += ['-H', f'{name}={value.decode()}']
        run_producer(command, (
            (b'' if key is None else key) + KEY_DELIMITER.encode() + (value or b'') + DELIMITER.encode()
            for partition, _, key, value, _ in records.read(path) if partition == wanted))


def json_bytes(data):
    return None if data is None else {'base64': base64.b64encode(data).decode()}


def millrace_produce(bootstrap, path, codec, topic):
    def lines():
        for partition, timestamp, key, value, headers in records.read(path):
            flat = [word for name, text in headers for word in (name, json_bytes(text))]
            yield json.dumps({'partition': partition, 'timestamp': timestamp, 'key': json_bytes(key),
                              'value': json_bytes(value), 'headers': flat}).encode() + b'\n'

    run_producer([MILLRACE, 'produce', '-b', bootstrap, topic, '-J', '-z', codec], lines())


def parse(output, null_word):
    """Records from FORMAT, by the sizes in it. `null_word`: what is printed where the size is -1."""
    while line := output.readline():
        words = line[:-1].split(b' ', 5)
        # A header's value may hold a line's end.
        while len(words) < 6:
            line += output.readline()
            words = line[:-1].split(b' ', 5)
        partition, offset, timestamp = map(int, words[:3])
        key, value = (take(output, int(size), null_word) for size in words[3:5])
        yield partition, offset, timestamp, key, value, words[5]


def take(output, size, null_word):
    if size >= 0:
        return output.read(size)
    output.read(len(null_word))
    return None


def consume(command, null_word, topic):
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        digests = {(topic, partition): records.Digest() for partition in range(records.PARTITIONS)}
        for partition, *record in parse(process.stdout, null_word):
            digests[topic, partition].add(*record)
    if process.returncode != 0:
        sys.exit(f'{command[0]} ended with {process.returncode}: {" ".join(command)}')
    records.print_digests(digests)


def kcat_consume(bootstrap, topic):
    consume(['kcat', '-q', '-b', bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-f', FORMAT,
             '-X', 'check.crcs=true', '-X', 'fetch.wait.max.ms=50'], '', topic)


def millrace_consume(bootstrap, topic):
    # -Z: a header that is null prints as NULL, which kcat does always.
    consume([MILLRACE, 'consume', '-b', bootstrap, topic, '-o', 'beginning', '-e', '-q', '-Z', '-f', FORMAT], 'NULL',
            topic)


def main():
    which, command = sys.argv[1:3]
    if command == 'version':
        if which == 'kcat':
            text = subprocess.run(['kcat', '-V'], capture_output=True, text=True, check=True).stdout
            print('kcat', text.split('\n')[3].split()[1], 'librdkafka', text.split('librdkafka ')[1].split()[0])
        else:
            text = subprocess.run([MILLRACE, 'version'], capture_output=True, text=True, check=True).stdout
            print(text.split('\n')[0])
        return
    bootstrap, *rest = sys.argv[3:]
    if command == 'produce':
        action = kcat_produce if which == 'kcat' else millrace_produce
        for word in rest[1:]:
            action(bootstrap, rest[0], *word.split('=', 1))
    else:
        action = kcat_consume if which == 'kcat' else millrace_consume
        for topic in rest:
            action(bootstrap, topic)


if __name__ == '__main__':
    main()
