"""The foreign clients: how each is fetched and started. `find` returns a command's first words, or raises Skip with
the name of what is missing. All are pinned: requirements here, java/*/pom.xml, go/go.mod with go.sum."""
import glob
import os
import re
import shutil
import subprocess
import sys

from cluster import MILLRACE
from suite import BUILD, HERE, Failure, Skip, command

# crc32c: kafka-python is otherwise busy with that for most of its time.
REQUIREMENTS = ('confluent-kafka==2.16.1', 'kafka-python==3.0.12', 'python-snappy==0.7.3', 'lz4==4.4.5',
                'zstandard==0.25.0', 'crc32c==2.9.post0')
MAVEN_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'
FETCH_SECONDS = 600
NAMES = ('kcat', 'librdkafka', 'kafka-python', 'java', 'go', 'millrace')
# Heap for a JVM: 900 kB records by the thousand go through it, but never all at once.
JAVA_OPTIONS = ('-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1')


def needs(program, package):
    path = shutil.which(program)
    if not path:
        raise Skip(f'{program} is not installed (package {package})')
    return path


def fetched(stamp, text, fetch):
    """Runs `fetch` unless the stamp file says that exactly this was fetched."""
    path = os.path.join(BUILD, stamp + '.stamp')
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            if file.read() == text:
                return
    fetch()
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def contents(*paths):
    text = ''
    for path in paths:
        with open(path, encoding='utf-8') as file:
            text += file.read()
    return text


def venv_python():
    folder = os.path.join(BUILD, 'venv')
    python = os.path.join(folder, 'bin', 'python')

    def fetch():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            command([sys.executable, '-m', 'venv', folder], FETCH_SECONDS)
        except Failure:
            raise Skip('python3 -m venv does not work (package python3-venv)') from None
        command([python, '-m', 'pip', 'install', '-q', *REQUIREMENTS], FETCH_SECONDS)

    fetched('venv', '\n'.join(REQUIREMENTS), fetch)
    return python


# Our programs by the pom whose jars they are compiled against.
SOURCES = {'client': ('RoundTrip', 'Load', 'MessageCheck'), 'tools': ('ToolRunner', 'MessageCheck')}


def java_class_path(which):
    """Jars of java/WHICH/pom.xml and our classes, compiled against them."""
    maven = needs('mvn', 'maven')
    compiler = needs('javac', 'default-jdk-headless')
    jars = os.path.join(BUILD, 'java', which)
    classes = os.path.join(BUILD, 'java', which + '-classes')
    pom = os.path.join(HERE, 'java', which, 'pom.xml')

    def fetch():
        shutil.rmtree(jars, ignore_errors=True)
        command([maven, '-B', '-q', '-f', pom, MAVEN_COPY, '-DincludeScope=runtime', f'-DoutputDirectory={jars}'],
                FETCH_SECONDS)

    def compile_sources():
        shutil.rmtree(classes, ignore_errors=True)
        command([compiler, '-Xlint:all', '-Werror', '-d', classes, '-cp', f'{jars}/*', *paths], FETCH_SECONDS)

    paths = [os.path.join(HERE, 'java', source + '.java') for source in SOURCES[which]]
    fetched('java-' + which, contents(pom), fetch)
    fetched(f'java-{which}-classes', contents(pom, *paths), compile_sources)
    return f'{classes}:{jars}/*'


def java(which):
    return [needs('java', 'default-jre-headless'), *JAVA_OPTIONS, '-cp', java_class_path(which)]


def jar(which, name):
    found = glob.glob(os.path.join(BUILD, 'java', which, name + '-[0-9]*.jar'))
    if len(found) != 1:
        raise Failure(f'{len(found)} jars {name} in {BUILD}/java/{which}')
    return found[0]


def go_program():
    go = needs('go', 'golang-go')
    folder = os.path.join(HERE, 'go')
    program = os.path.join(BUILD, 'go-roundtrip')
    text = command([go, 'env', 'GOVERSION'], 60).strip()
    found = re.match(r'go1\.(\d+)', text)
    minor = int(found.group(1)) if found else 0
    if minor < 21:
        raise Skip(f'{text} is older than Go 1.21')
    modules = 'go.mod' if minor >= 26 else 'older.mod'
    environment = dict(os.environ, GOFLAGS='-mod=readonly -buildvcs=false', GOTOOLCHAIN='local')

    def build():
        command([go, 'build', '-modfile=' + modules, '-o', program, '.'], FETCH_SECONDS, cwd=folder, env=environment)

    fetched('go', text + contents(os.path.join(folder, modules), os.path.join(folder, 'main.go')), build)
    return program


def find(name):
    """First words of the round-trip program that uses this client."""
    scripts = os.path.join(HERE, 'clients')
    if name == 'kcat':
        needs('kcat', 'kcat')
        return [sys.executable, '-B', os.path.join(scripts, 'use_command.py'), 'kcat']
    if name == 'millrace':
        if not os.access(MILLRACE, os.X_OK):
            raise Skip(f'{MILLRACE} is not built')
        return [sys.executable, '-B', os.path.join(scripts, 'use_command.py'), 'millrace']
    if name == 'librdkafka':
        return [venv_python(), '-B', os.path.join(scripts, 'use_librdkafka.py')]
    if name == 'kafka-python':
        return [venv_python(), '-B', os.path.join(scripts, 'use_kafka_python.py')]
    if name == 'java':
        return java('client') + ['RoundTrip']
    if name == 'go':
        return [go_program()]
    raise Failure(f'there is no client {name}')


class ToolRunner:
    """Kafka's command-line tools, run one after the other in one JVM (java/ToolRunner.java)."""

    def __init__(self):
        self.process = subprocess.Popen(java('tools') + ['ToolRunner'], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def run(self, tool, *words):
        """(exit code, what it printed)."""
        self.process.stdin.write(('\t'.join((tool, *words)) + '\n').encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            raise Failure(f'the JVM of the tools ended in {tool} {" ".join(words)}')
        return int(line[0]), self.process.stdout.read(int(line[1])).decode(errors='replace')

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
