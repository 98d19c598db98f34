#!/usr/bin/env python3
"""Keeps what real clients say: a proxy in front of a node or controller that records frames.

    tests/fuzz/capture.py FILE PORT:TARGET...    connections to PORT go to TARGET (ports of this machine) until SIGTERM

FILE gets pairs of a request and its response, each as on the wire, size in front; an empty frame stands for an answer
that did not come or was too large. Of each API and version only the first few different ones are kept, and none that is
large: the fuzzers' seeds (seeds.py) need examples, not a log.

Where an answer names a TARGET its PORT is put instead, so that clients come back here:

    build/release/bin/millrace dev up --controllers 1 --nodes 1 --dir /tmp/captured --port 35092
    tests/fuzz/capture.py tests/fuzz/captured/kcat.frames 35192:35092 35193:35093
"""
import signal
import socket
import struct
import sys
import threading

FRAME_MAX = 2500
KEPT_EACH = 3
KEPT_PRODUCE = 6  # codecs, headers, empty values
NAME_PORTS = (b'\0\3', b'\0\12', b'\0\74')  # Metadata, FindCoordinator, DescribeCluster
PENDING_MAX = 1000


class Kept:
    """Pairs by (API, version), the same layout of bytes not twice."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pairs = {}

    def add(self, request, response):
        if len(request) > FRAME_MAX:
            return
        key = struct.unpack('>hh', request[:4])
        response = response if response is not None and len(response) <= FRAME_MAX else b''
        with self.lock:
            pairs = self.pairs.setdefault(key, [])
            kept = KEPT_PRODUCE if key[0] == 0 else KEPT_EACH
            if len(pairs) < kept and all(len(request) != len(old) for old, _ in pairs):
                pairs.append((request, response))

    def write(self, path):
        with self.lock, open(path, 'wb') as file:
            for key in sorted(self.pairs):
                for pair in self.pairs[key]:
                    for frame in pair:
                        file.write(struct.pack('>i', len(frame)) + frame)


class Talk:
    """One connection, both ways."""

    def __init__(self, kept, ports, client, server):
        self.kept, self.ports = kept, ports
        self.lock = threading.Lock()
        self.pending = {}
        for source, target, take in ((client, server, self.request), (server, client, self.response)):
            threading.Thread(target=self.pump, args=(source, target, take), daemon=True).start()

    def pump(self, source, target, take):
        rest = b''
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                rest += data
                while len(rest) >= 4 and len(rest) >= 4 + struct.unpack('>i', rest[:4])[0]:
                    size = 4 + struct.unpack('>i', rest[:4])[0]
                    target.sendall(rest[:4] + take(rest[4:size]))
                    rest = rest[size:]
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def request(self, frame):
        with self.lock:
            if len(frame) >= 8 and len(self.pending) < PENDING_MAX:
                self.pending[frame[4:8]] = frame
        return frame

    def response(self, frame):
        with self.lock:
            request = self.pending.pop(frame[:4], None)
        if request is not None:
            self.kept.add(request, frame)
        if request is not None and request[:2] in NAME_PORTS:
            for target, port in self.ports.items():
                frame = frame.replace(struct.pack('>i', target), struct.pack('>i', port))
        return frame


def listen(kept, ports, port):
    target = next(target for target, to in ports.items() if to == port)
    server = socket.create_server(('127.0.0.1', port), backlog=64)

    def accept():
        while True:
            client, _ = server.accept()
            try:
                Talk(kept, ports, client, socket.create_connection(('127.0.0.1', target)))
            except OSError:
                client.close()

    threading.Thread(target=accept, daemon=True).start()


def main(path, *routes):
    kept = Kept()
    ports = {int(target): int(port) for port, target in (route.split(':') for route in routes)}
    for port in ports.values():
        listen(kept, ports, port)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    kept.write(path)


if __name__ == '__main__':
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    main(*sys.argv[1:])
