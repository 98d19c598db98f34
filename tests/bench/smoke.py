#!/usr/bin/env python3
"""The load generator against the null broker, a second in all: each mode ends well and counts what can be counted."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time


def run(programs, port, pid, mode, *arguments):
    command = [os.path.join(programs, "millrace-load"), mode, "--bootstrap", f"127.0.0.1:{port}", "--pid", str(pid),
               "--warmup", "0.05", "--seconds", "0.2", "--connections", "2", "--partitions", "2"] + list(arguments)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def check(what, holds):
    if not holds:
        raise SystemExit(f"not so: {what}")


def check_modes(programs, port, pid):
    result = run(programs, port, pid, "produce", "--topic", "a")
    check("produce counts requests", result["requests"] > 0 and result["records"] == 15 * result["requests"])
    check("produce counts bytes", result["bytes"] == result["requests"] * result["batch_bytes"])
    check("produce has no errors", result["errors"] == {})
    result = run(programs, port, pid, "produce", "--topic", "b", "--codec", "zstd")
    check("compressed batches are smaller than records", 0 < result["batch_bytes"] < 15 * 1024)
    result = run(programs, port, pid, "produce", "--topic", "c", "--records", "1", "--rate", "500", "--tail", "2")
    check("what was acknowledged was read", result["unread"] == 0 and result["end_count"] > 0)
    check("an open loop keeps its rate", 50 <= result["requests"] <= 150)
    run(programs, port, pid, "fill", "--topic", "d", "--bytes", "4000000")
    result = run(programs, port, pid, "fetch", "--topic", "d", "--max-bytes", "65536")
    check("fetch counts whole batches", result["bytes"] > 0 and result["bytes"] % result["batch_bytes"] == 0)
    check("a reply of 64 KiB has 4 batches of 15 KiB", result["records"] == 60 * result["requests"])
    result = run(programs, port, pid, "storm")
    check("the storm was answered", result["connections"] == 2 and result["storm_s"] > 0)


def main():
    programs = sys.argv[1]
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        null = subprocess.Popen([os.path.join(programs, "millrace-null-broker"), directory, str(port), "2"])
        try:
            until = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    check("the null broker listens", time.monotonic() < until and null.poll() is None)
                    time.sleep(0.02)
            check_modes(programs, port, null.pid)
            check("the null broker still runs", null.poll() is None)
        finally:
            null.terminate()
            null.wait()


if __name__ == "__main__":
    main()
