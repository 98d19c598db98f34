"""The cluster under test: one that the environment names, or a local one that is started when it is first needed."""
import glob
import json
import os
import random
import shutil
import subprocess
import tempfile
import time

from suite import BUILD, ROOT, Failure, Skip, command

MILLRACE = os.environ.get('MILLRACE', os.path.join(ROOT, 'build', 'release', 'bin', 'millrace'))
UP_SECONDS = 90
# Below the ports that the system gives to clients. By chance, so that two runs do not take the ports of each other's
# members that are down for a while.
PORTS = (10000, 29000, 4)
# Retention is looked at every second, so that a test can wait for it.
NODE_SETTINGS = ('log.retention.check.interval.ms=1000', 'log.segment.delete.delay.ms=1000')


class Cluster:
    def __init__(self):
        self.directory = os.environ.get('CONFORMANCE_DIR')
        self.own = False
        self.given = os.environ.get('BOOTSTRAP')

    def start(self):
        """Makes sure that there is one."""
        if self.given or self.directory:
            return
        if not os.access(MILLRACE, os.X_OK):
            raise Failure(f'{MILLRACE} is not there: run ./start, or cmake --preset release and ninja -C build/release')
        self.directory = tempfile.mkdtemp(prefix='cluster-', dir=BUILD)
        self.own = True
        words = [MILLRACE, 'dev', 'up', '--dir', self.directory, '--port', str(random.randrange(*PORTS))]
        for setting in NODE_SETTINGS:
            words += ['--set', setting]
        command(words, UP_SECONDS)

    def stop(self, keep):
        if self.own and not keep:
            done = subprocess.run([MILLRACE, 'dev', 'down', '--purge', '--dir', self.directory], check=False,
                                  capture_output=True, text=True, timeout=UP_SECONDS)
            if done.returncode != 0:
                print(done.stdout + done.stderr)
            shutil.rmtree(self.directory, ignore_errors=True)

    def profile(self, name):
        self.start()
        with open(os.path.join(self.directory, 'profile'), encoding='utf-8') as file:
            for line in file:
                if line.startswith(name + '='):
                    return line.strip().split('=', 1)[1]
        raise Failure(f'{self.directory}/profile does not say {name}')

    @property
    def bootstrap(self):
        return self.given or self.profile('bootstrap')

    @property
    def controllers(self):
        if self.given:
            controllers = os.environ.get('CONTROLLERS')
            if not controllers:
                raise Skip('CONTROLLERS is not given')
            return controllers
        return self.profile('controllers')

    @property
    def data(self):
        """Directories of the nodes' logs."""
        if os.environ.get('CONFORMANCE_DATA'):
            return os.environ['CONFORMANCE_DATA'].split(',')
        self.start()
        found = sorted(glob.glob(os.path.join(self.directory, 'data', 'node-*'))) if self.directory else []
        if not found:
            raise Skip('CONFORMANCE_DATA is not given')
        return found

    def needs_processes(self):
        """For tests that kill: only a local cluster may be treated like that."""
        self.start()
        if not self.directory:
            raise Skip('the cluster is not a local one: CONFORMANCE_DIR is not given')

    def dev(self, *words, seconds=UP_SECONDS):
        return command([MILLRACE, 'dev', *words, '--dir', self.directory], seconds)

    def members(self, role):
        """Ids of the nodes or controllers, from 1."""
        done = subprocess.run([MILLRACE, 'dev', 'status', '-o', 'json', '--dir', self.directory], check=False,
                              capture_output=True, text=True, timeout=UP_SECONDS)
        return [member['id'] for member in json.loads(done.stdout)['members'] if member['role'] == role]

    def kill(self, role, number):
        """SIGKILL, as a power cut of the process would."""
        self.dev('kill', role, str(number))

    def restart(self, role, number):
        self.dev('restart', role, str(number))


def wait_until(what, seconds, test):
    """Asks every 100 ms until `test` returns something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        found = test()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f'{what}: not within {seconds} s')
        time.sleep(0.1)
