"""The other end of clock_shim.c: a server's own wall clock, and its disk that fails."""
import mmap
import os
import struct

from processes import BIN
from suite import Skip

LIBRARY = os.path.join(BIN, 'hostile_shim.so')
SIZE = 4096
WRITE, SYNC, READ = 1, 2, 4


class Shim:
    """Of one server, which is started with its `environment`."""

    def __init__(self, server):
        if not os.path.exists(LIBRARY):
            raise Skip(f'{LIBRARY} is not built')
        self.path = server.directory + '.shim'
        with open(self.path, 'wb') as file:
            file.write(bytes(SIZE))
        with open(self.path, 'r+b') as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        server.environment = {**server.environment, 'LD_PRELOAD': LIBRARY, 'HOSTILE_SHIM': self.path}

    def set_clock(self, seconds):
        struct.pack_into('<q', self.memory, 0, int(seconds * 1000))

    def fail(self, path, kinds=WRITE | SYNC):
        self.memory[16:16 + 256] = path.encode().ljust(256, b'\0')
        struct.pack_into('<I', self.memory, 8, kinds)
