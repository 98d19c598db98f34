#!/usr/bin/env python3
"""Measures the release build beside the null broker, run by run in turn, and prints a table with the goals.

    tests/bench/run.py [WORKLOAD...]          default: all steady ones (W1 to W5, W7, W13)
    tests/bench/run.py W9 W10 W11             partitions, connections, start: ours alone
    tests/bench/run.py --pairs 5 --seconds 10 what numbers for the record need

A name selects every workload that begins with it: W2 is W2-16k, W2-62k and W2-930k. The generator runs on core 1,
the brokers on core 0, each with one loop (--loops 2 frees ours). Results go to build/bench as JSON: every run with all
that the generator said, and the summary. Needs nothing but Python, and root for the priority of its processes and for
the choice of cubic; it says so if it cannot.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEGMENT = 64 << 20
KEPT = 256 << 20
# Both sides keep about as much: the null broker writes its files over after 300 MB, ours deletes old segments.
MEMORY = ["durability=memory", f"segment.bytes={SEGMENT}", f"retention.bytes={KEPT}", "file.delete.delay.ms=0"]
WHOLE = ["durability=memory"]
FSYNC = ["durability=fsync"]
FILL = 2_000_000_000


class Workload:
    """What the generator is told, and what the result is held against: `metric`, ours : null, at most `goal`, or at
    least -`goal` if it is negative."""

    def __init__(self, name, mode, arguments, metric, goal, configs=None, fsync=False, fill=None, also=()):
        self.name = name
        self.mode = mode
        self.arguments = [str(argument) for argument in arguments]
        self.metric = metric
        self.goal = goal
        self.configs = configs or MEMORY
        self.fsync = fsync
        self.fill = fill
        self.also = also  # more (metric, goal)


def produce(name, size, records, connections, depth, metric, goal, **more):
    shape = ["--record-size", size, "--records", records, "--connections", connections, "--depth", depth]
    return Workload(name, "produce", shape + more.pop("extra", []), metric, goal, **more)


GB, REQUEST, RATE, P50 = "cpu_s_per_gb", "us_per_request", "records_per_s", "ack_p50_ms"
END50, END999 = "end_p50_ms", "end_p999_ms"
WORKLOADS = [
    produce("W1", 100, 150, 8, 5, GB, 1.5),
    produce("W2-16k", 1024, 15, 8, 5, GB, 1.5),
    produce("W2-62k", 1024, 60, 8, 5, GB, 1.4),
    produce("W2-930k", 1024, 900, 8, 2, GB, 1.4),
    produce("W3-8x5", 1024, 1, 8, 5, REQUEST, 2.0),
    produce("W3-64x1", 1024, 1, 64, 1, REQUEST, 1.6),
] + [
    Workload(f"W4-{name}", "fetch", ["--max-bytes", size], GB, goal, configs=WHOLE, fill=["--bytes", str(FILL)])
    for name, size, goal in (("1m", 1 << 20, 1.3), ("64k", 64 << 10, 1.5), ("16k", 16 << 10, 1.6))
] + [
    produce(f"W5-{rate // 1000}k", 1024, 1, 8, 64, END50, 2.5, extra=["--rate", rate, "--tail", 8],
            also=((END999, 4.0),))
    for rate in (1000, 10000)
] + [
    produce(f"W7-{writers}x{partitions}", 1024, 1, writers, 1, metric, goal,
            extra=["--partitions", partitions, "--acks", -1],
            configs=FSYNC, fsync=True)
    for writers, partitions, metric, goal in ((1, 1, P50, 1.3), (64, 1, RATE, -0.75), (64, 8, RATE, -0.75))
] + [
    # So many records that the batches are on the wire as large as those of W2-62k: that is what they are held against.
    produce(f"W13-{codec}", 1024, 118, 8, 5, GB, 1.4, extra=["--codec", codec]) for codec in ("lz4", "zstd")
]


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def spawn(arguments, log, core):
    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})
    return subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=prepare)


def stop(process, number=signal.SIGTERM):
    if process is not None and process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Null:
    name = "null"

    def __init__(self, bench, fsync=False):
        self.bench = bench
        self.directory = os.path.join(bench.scratch, "null")
        self.fsync = fsync

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.port = free_port()
        self.log = open(os.path.join(self.bench.scratch, "null.log"), "ab")
        program = [self.bench.program("millrace-null-broker"), self.directory, str(self.port), "8"]
        self.process = spawn(program + (["--fsync"] if self.fsync else []), self.log, 0)
        wait_listening(self.port, self.process)

    def arguments(self, configs):
        return ["--bootstrap", f"127.0.0.1:{self.port}", "--pid", str(self.process.pid)]

    def stop(self):
        stop(self.process)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Ours:
    """One controller, one node; the node alone is what is measured."""
    name = "ours"

    def __init__(self, bench, node_extra=(), check_ms=100):
        self.bench = bench
        self.check_ms = check_ms  # the default of five minutes would let logs grow; it is what an idle node has
        self.directory = os.path.join(bench.scratch, "ours")
        self.node_extra = list(node_extra)
        self.controller = self.node = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_properties(self, role, name, lines):
        common = ["node.id=1", "controller.listener.names=CONTROLLER",
                  f"controller.quorum.voters=1@127.0.0.1:{self.controller_port}", f"process.roles={role}"]
        with open(self.path(name), "w") as file:
            file.write("\n".join(common + lines) + "\n")

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.port, self.controller_port = free_port(), free_port()
        self.log = open(os.path.join(self.bench.scratch, "ours.log"), "ab")
        self.write_properties("controller", "controller.properties", [
            f"listeners=CONTROLLER://127.0.0.1:{self.controller_port}",
            f"advertised.listeners=CONTROLLER://127.0.0.1:{self.controller_port}",
            f"metadata.log.dir={self.path('controller')}"])
        self.write_properties("broker", "node.properties", [
            f"listeners=PLAINTEXT://127.0.0.1:{self.port}", f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}",
            f"log.dirs={self.path('node')}", f"num.loops={self.bench.loops}",
            f"log.retention.check.interval.ms={self.check_ms}"] + self.node_extra)
        self.start_controller()
        self.start_node()
        wait_listening(self.port, self.node)

    def start_controller(self):
        self.controller = spawn([self.bench.program("millrace-controller"), "--config",
                                 self.path("controller.properties")], self.log, None)

    def start_node(self):
        self.node = spawn([self.bench.program("millrace-node"), "--config", self.path("node.properties")], self.log,
                          0 if self.bench.loops == 1 else None)

    def arguments(self, configs):
        arguments = ["--bootstrap", f"127.0.0.1:{self.port}", "--pid", str(self.node.pid), "--create"]
        for config in configs:
            arguments += ["--config", config]
        return arguments

    def stop(self):
        stop(self.node)
        stop(self.controller)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_listening(port, process):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Bench:
    def __init__(self, options):
        self.options = options
        self.loops = options.loops
        self.out = os.path.join(ROOT, "build", "bench")
        self.scratch = os.path.join(options.scratch or self.out, f"scratch-{os.getpid()}")
        self.runs = []
        os.makedirs(self.scratch)

    def program(self, name):
        path = os.path.join(self.options.build, "bin", name)
        if not os.path.exists(path):
            raise SystemExit(f"{path} is missing: ninja -C {self.options.build} {name}")
        return path

    def load(self, mode, arguments, timeout=180):
        """One run of the generator; None if it failed."""
        command = [self.program("millrace-load"), mode] + arguments
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                              preexec_fn=lambda: os.sched_setaffinity(0, {1 % os.cpu_count()}))
        for line in done.stderr.splitlines():
            say("  " + line)
        if done.returncode != 0:
            say(f"  failed ({done.returncode}): {' '.join(command[1:])} {done.stdout.strip()[-200:]}")
            return None
        return json.loads(done.stdout)

    def run_side(self, side, workload, pair):
        window = ["--seconds", str(self.options.seconds), "--warmup", str(self.options.warmup)]
        os.sync()
        result = self.load(workload.mode, side.arguments(workload.configs) + window + workload.arguments + [
            "--topic", "bench", "--label", f"{workload.name}/{side.name}"], 60 + 3 * self.options.seconds)
        if result is not None:
            result.update(workload=workload.name, side=side.name, pair=pair, at=time.time())
            self.runs.append(result)
        return result

    def run_workload(self, workload, sides):
        for side in sides:
            if workload.fill and self.load("fill", side.arguments(workload.configs) + workload.fill + [
                    "--topic", "bench", "--label", f"fill/{side.name}"]) is None:
                raise RuntimeError("the topic could not be filled")
        pairs = []
        for pair in range(self.options.pairs):
            order = sides if pair % 2 == 0 else sides[::-1]
            results = {side.name: self.run_side(side, workload, pair) for side in order}
            pairs.append((results["null"], results["ours"]))
        return summary(workload, [pair for pair in pairs if None not in pair])

    def run_group(self, workloads):
        """Workloads on the same brokers: those of W4 share their log."""
        sides = [Null(self, workloads[0].fsync), Ours(self)]
        rows = []
        try:
            for side in sides:
                side.start()
            for workload in workloads:
                rows.append(self.run_workload(workload, sides))
                workload.fill = None
                for other in workloads:
                    other.fill = None
        finally:
            for side in sides:
                try:
                    side.stop()
                except AttributeError:
                    pass  # was not started
        return rows


def summary(workload, pairs):
    row = {"workload": workload.name, "pairs": len(pairs), "checks": []}
    if not pairs:
        return row
    for metric, goal in ((workload.metric, workload.goal),) + tuple(workload.also):
        null = [pair[0][metric] for pair in pairs]
        ours = [pair[1][metric] for pair in pairs]
        ratios = [b / a for a, b in zip(null, ours) if a > 0]
        ratio = statistics.median(ratios) if ratios else 0
        row["checks"].append({
            "metric": metric, "null": statistics.median(null), "ours": statistics.median(ours), "ratio": ratio,
            "ratio_least": min(ratios, default=0), "ratio_most": max(ratios, default=0), "goal": goal,
            "met": ratio >= -goal if goal < 0 else ratio <= goal})
    for key in ("mb_per_s", "records_per_s", "us_per_request", "ack_p50_ms", "ack_p99_ms", "ack_p999_ms", "rss_bytes",
                "foreign_cores", "cpu_s_per_gb"):
        row[key] = [statistics.median(pair[side][key] for pair in pairs) for side in (0, 1)]
    return row


def print_table(rows):
    print("| workload | metric | null | ours | ours : null [least - most] | goal | met | MB/s null, ours |"
          " p50 / p99 / p99.9 ms, ours | RSS | foreign cores |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        if not row["checks"]:
            print(f"| {row['workload']} | failed |")
        for check in row["checks"]:
            goal = f">= {-check['goal']}" if check["goal"] < 0 else f"<= {check['goal']}"
            cells = [row["workload"], check["metric"], f"{check['null']:.4g}", f"{check['ours']:.4g}",
                     f"**{check['ratio']:.2f}** [{check['ratio_least']:.2f} - {check['ratio_most']:.2f}]", goal,
                     "yes" if check["met"] else "no", f"{row['mb_per_s'][0]:.0f}, {row['mb_per_s'][1]:.0f}",
                     f"{row['ack_p50_ms'][1]:.3f} / {row['ack_p99_ms'][1]:.2f} / {row['ack_p999_ms'][1]:.2f}",
                     f"{row['rss_bytes'][1] / 1e6:.1f} MB", f"{max(row['foreign_cores']):.2f}"]
            print("| " + " | ".join(cells) + " |")


def prepare_machine():
    """A session whose processes go before others; cubic as both sides' congestion control. Returns what to put back."""
    old = None
    try:
        os.setsid()
    except OSError:
        pass
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write("-15")
        os.nice(-10)
    except OSError as error:
        say(f"priority not raised: {error}")
    path = "/proc/sys/net/ipv4/tcp_congestion_control"
    try:
        with open(path) as file:
            old = file.read().strip()
        with open(path, "w") as file:
            file.write("cubic")
    except OSError as error:
        say(f"congestion control stays {old}: {error}")
    return path, old


def restore_machine(state):
    try:
        with open(state[0], "w") as file:
            file.write(state[1])
    except OSError:
        pass


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--warmup", type=float, default=2)
    parser.add_argument("--loops", type=int, default=1)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--scratch", help="directory for the brokers' data (default: build/bench)")
    parser.add_argument("--gigabytes", type=float, default=2, help="of the log in W11 (default 2; for the record 5)")
    parser.add_argument("--connections", type=int, default=10000, help="of W10")
    parser.add_argument("--partitions", type=int, nargs="*", default=[2000, 20000], help="of W9 (default 2000 20000)")
    parser.add_argument("--starts", type=int, default=1, help="of each kind with W9's partitions")
    return parser.parse_args()


def selects(name, workload):
    return workload == name or workload.startswith(name + "-") or ("-" in name and workload.startswith(name))


def main():
    options = parse()
    chosen = [w for w in WORKLOADS if not options.workloads or any(selects(n, w.name) for n in options.workloads)]
    wanted = [name for name in ("W9", "W10", "W11") if name in options.workloads]
    if not chosen and not wanted:
        raise SystemExit("no such workload; there are " + " ".join(w.name for w in WORKLOADS) + " W9 W10 W11")
    state = prepare_machine()
    bench = Bench(options)
    rows = []
    more = {}
    groups = {}
    for workload in chosen:
        groups.setdefault("W4" if workload.name.startswith("W4") else workload.name, []).append(workload)
    try:
        for group in groups.values():
            try:
                rows += bench.run_group(group)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                say(f"{group[0].name}: {error}")
                rows += [{"workload": w.name, "pairs": 0, "checks": []} for w in group]
        if wanted:
            import lives
            more = lives.run_all(bench, wanted)
    finally:
        restore_machine(state)
        shutil.rmtree(bench.scratch, ignore_errors=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = os.path.join(bench.out, f"results-{stamp}.json")
    with open(path, "w") as file:
        json.dump({"at": stamp, "options": vars(options), "summary": rows, "lives": more, "runs": bench.runs}, file,
                  indent=1)
    if rows:
        print_table(rows)
    for name, result in more.items():
        print(f"{name}: {json.dumps(result)}")
    print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # for lives.py
    sys.exit(main())
