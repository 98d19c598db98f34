"""Clusters of real processes that a test may treat badly: it knows each process's id, memory, log and exit code."""
import os
import random
import resource
import shutil
import signal
import socket
import subprocess

import wire
from cluster import wait_until
from suite import ROOT, Failure

BIN = os.environ.get('MILLRACE_BIN', os.path.join(ROOT, 'build', 'release', 'bin'))
READY_SECONDS = 60
STOP_SECONDS = 20
CLUSTER_ID = 'hosTiLehosTiLehosTiLeA'
MIB = 1 << 20
numbers = iter(range(int(os.environ.get('HOSTILE_PORT') or random.randrange(10000, 28000, 100)), 65000))


def free_port():
    """The next one that nobody has at the moment."""
    for port in numbers:
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue
    raise Failure('no port is free')


class Server:
    """One process with a directory of its own."""

    def __init__(self, program, name, directory, port, settings, environment=None):
        self.program = os.path.join(BIN, program)
        self.name, self.port = name, port
        self.address = f'127.0.0.1:{port}'
        self.directory = os.path.join(directory, name)
        self.log = os.path.join(directory, name + '.log')
        self.settings = dict(settings)
        self.environment = environment or {}
        self.descriptors = None
        self.process = None

    def start(self):
        if not os.access(self.program, os.X_OK):
            raise Failure(f'{self.program} is not there: cmake --preset release and ninja -C build/release')
        path = self.directory + '.properties'
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(f'{key}={value}\n' for key, value in self.settings.items())
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen([self.program, '--config', path], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **self.environment},
                                            preexec_fn=self.limit if self.descriptors else None)

    def limit(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    @property
    def pid(self):
        return self.process.pid

    def runs(self):
        return self.process.poll() is None

    def code(self, seconds=STOP_SECONDS):
        """The exit code, once it has ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} did not end within {seconds} s') from None

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process is None or not self.runs():
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def memory(self, row='VmRSS'):
        """Bytes; VmHWM is the most since forget_peak."""
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            for line in file:
                if line.startswith(row + ':'):
                    return int(line.split()[1]) * 1024
        raise Failure(f'{self.name} has no {row}: it has ended')

    def forget_peak(self):
        with open(f'/proc/{self.pid}/clear_refs', 'w', encoding='ascii') as file:
            file.write('5')

    def lines(self):
        """The log so far."""
        with open(self.log, encoding='utf-8', errors='replace') as file:
            return file.read().splitlines()

    def says(self, word):
        return [line for line in self.lines() if word in line]


class Cluster:
    """`controllers` and `nodes`: how many. `settings` and `controller_settings` are added to what it needs."""

    def __init__(self, suite, name, controllers=1, nodes=1, settings=None, controller_settings=None, below=None):
        self.directory = os.path.join(below or suite.directory, name)
        os.makedirs(self.directory)
        places = [(f'controller-{i + 1}', free_port()) for i in range(controllers)]
        voters = ','.join(f'{i + 1}@127.0.0.1:{port}' for i, (_, port) in enumerate(places))
        common = {'cluster.id': CLUSTER_ID, 'controller.quorum.voters': voters}
        self.controller_servers = []
        self.nodes = []
        for i, (each, port) in enumerate(places):
            self.controller_servers.append(Server('millrace-controller', each, self.directory, port, {
                **common, 'node.id': i + 1, 'listeners': f'CONTROLLER://127.0.0.1:{port}',
                'advertised.listeners': f'CONTROLLER://127.0.0.1:{port}',
                'metadata.log.dir': os.path.join(self.directory, each), **(controller_settings or {})}))
        for i in range(nodes):
            port = free_port()
            each = f'node-{i + 1}'
            self.nodes.append(Server('millrace-node', each, self.directory, port, {
                **common, 'node.id': i + 1, 'listeners': f'PLAINTEXT://127.0.0.1:{port}',
                'advertised.listeners': f'PLAINTEXT://127.0.0.1:{port}',
                'log.dirs': os.path.join(self.directory, each), 'log.retention.check.interval.ms': 1000,
                'log.segment.delete.delay.ms': 500, **(settings or {})}))
        suite.clusters.append(self)

    @property
    def servers(self):
        return self.controller_servers + self.nodes

    @property
    def bootstrap(self):
        return ','.join(node.address for node in self.nodes)

    @property
    def controllers(self):
        return ','.join(server.address for server in self.controller_servers)

    def start(self):
        for server in self.servers:
            server.start()
        self.wait_ready()
        return self

    def wait_ready(self):
        """Until every node answers and names all nodes."""
        def ready(node):
            for server in self.controller_servers + [node]:
                if not server.runs():
                    raise Failure(f'{server.name} has ended:\n' + '\n'.join(server.lines()[-5:]))
            try:
                with wire.Connection(node.address, 2) as connection:
                    return len(connection.ask('Metadata', topics=[])['brokers']) == len(self.nodes)
            except (OSError, wire.Closed, Failure):
                return False
        for node in self.nodes:
            wait_until(f'{node.name} to be ready', READY_SECONDS, lambda: ready(node))

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
        if not os.environ.get('HOSTILE_KEEP'):
            for server in self.servers:
                shutil.rmtree(server.directory, ignore_errors=True)
