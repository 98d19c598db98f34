"""Our message schemas against the definitions in Kafka's jars, and our encoded samples through Kafka's own classes."""
import os
import subprocess
import sys

import clients
from suite import HERE, ROOT, Failure, Skip, command, expect_in

COMPARE_SECONDS = 120
SAMPLES = os.environ.get('WIRE_SAMPLES')
SAMPLE_FOLDERS = ('debug', 'check-release', 'clang', 'release')


def compare():
    clients.java_class_path('client', 'RoundTrip')
    clients.java_class_path('tools', 'ToolRunner')
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
    jars = os.pathsep.join((clients.jar('client', 'kafka-clients'), clients.jar('tools', 'kafka-metadata'),
                            clients.jar('client', 'slf4j-api')))
    with subprocess.Popen([program], stdout=subprocess.PIPE) as printer:
        output = command([clients.needs('java', 'default-jre-headless'), *clients.JAVA_OPTIONS, '-cp', jars,
                          os.path.join(HERE, 'java', 'MessageCheck.java')], COMPARE_SECONDS, stdin=printer.stdout)
    if printer.returncode != 0:
        raise Failure(f'{program} ended with {printer.returncode}')
    print(f'    {output.strip()}')


def run(suite):
    suite.test('definitions in the jars', compare)
    suite.test('samples through Kafka\'s classes', samples)
