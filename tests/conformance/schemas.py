"""Our message schemas against the definitions in Kafka's jars, and our encoded samples through Kafka's own classes."""
import os
import sys

import clients
from suite import HERE, ROOT, Skip, command, expect_in

COMPARE_SECONDS = 120
SAMPLES = os.environ.get('WIRE_SAMPLES')
SAMPLE_FOLDERS = ('debug', 'check-release', 'clang', 'release')


def compare():
    clients.java_class_path('client')
    clients.java_class_path('tools')
    output = command([sys.executable, '-B', os.path.join(HERE, 'schema_compare.py'), '--jar',
                      clients.jar('client', 'kafka-clients'), '--metadata-jar', clients.jar('tools', 'kafka-metadata')],
                     COMPARE_SECONDS)
    expect_in('the end of the comparison', ' 0 differ', output)


def samples():
    """The program that prints them, from any build folder that has it: it comes with the tests."""
    candidates = [SAMPLES] if SAMPLES else [os.path.join(ROOT, 'build', folder, 'bin', 'wire_samples')
                                            for folder in SAMPLE_FOLDERS]
    program = next((path for path in candidates if os.access(path, os.X_OK)), None)
    if program is None:
        raise Skip(f'wire_samples is not built: {" or ".join(candidates)}')
    lines = command([program], COMPARE_SECONDS).splitlines(keepends=True)
    protocol = [line for line in lines if line.split(' ', 1)[0].endswith(('Request', 'Response'))]
    # Requests and responses through the newest client; records of the metadata log are in a jar of 4.3.1.
    for which, part in (('client', protocol), ('tools', sorted(set(lines) - set(protocol)))):
        output = command([*clients.java(which), 'MessageCheck'], COMPARE_SECONDS, input=''.join(part))
        print(f'    {which}: {output.strip()}')


def run(suite):
    suite.test('definitions in the jars', compare)
    suite.test('samples through Kafka\'s classes', samples)
