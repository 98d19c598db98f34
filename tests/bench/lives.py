"""What happens once in a server's life, ours alone: W9 many partitions, W10 many connections, W11 start and recovery.
Called by run.py, which owns the processes' handling."""
import os
import shutil
import signal
import statistics
import time

import run


def processes(pid):
    """Resident bytes and CPU seconds of a process."""
    with open(f"/proc/{pid}/status") as file:
        facts = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return {"rss_bytes": int(facts["VmRSS"].split()[0]) * 1024, "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            "wakeups": int(facts["voluntary_ctxt_switches"])}


def idle(pid, seconds=3):
    before = processes(pid)
    time.sleep(seconds)
    after = processes(pid)
    return {"cpu_percent": 100 * (after["cpu_s"] - before["cpu_s"]) / seconds, "rss_bytes": after["rss_bytes"],
            "descriptors": after["descriptors"], "wakeups_per_s": (after["wakeups"] - before["wakeups"]) / seconds}


def spread(bench, ours, partitions, label, create=False, since=None, configs=run.WHOLE):
    arguments = ["--bootstrap", f"127.0.0.1:{ours.port}", "--pid", str(ours.node.pid), "--topic", f"spread{partitions}",
                 "--partitions", str(partitions), "--records", "1", "--record-size", "100", "--timeout", "90",
                 "--label", label]
    if create:
        arguments += ["--create"] + [word for config in configs for word in ("--config", config)]
    if since is not None:
        arguments += ["--since", str(since)]
    return bench.load("spread", arguments)


def restart(bench, ours, partitions, label, number):
    """Ends the node, starts it, writes to all partitions; times count from the start of the process."""
    began = time.monotonic()
    run.stop(ours.node, number)
    stopped = time.monotonic() - began
    since = time.monotonic_ns()
    ours.start_node()
    result = spread(bench, ours, partitions, label, since=since)
    if result is not None:
        result["stop_s"] = stopped
    return result


def many_partitions(bench):
    results = {}
    for partitions in bench.options.partitions:
        ours = run.Ours(bench, check_ms=300000)
        try:
            ours.start()
            time.sleep(0.5)
            empty = idle(ours.node.pid, 2)
            result = {"idle_before": empty, "create": spread(bench, ours, partitions, f"W9-{partitions}", create=True)}
            time.sleep(1)
            result["idle_after"] = idle(ours.node.pid)
            result["idle_controller"] = idle(ours.controller.pid, 1)
            result["bytes_per_partition"] = (result["idle_after"]["rss_bytes"] - empty["rss_bytes"]) / partitions
            result["produce_all"] = bench.load("produce", [
                "--bootstrap", f"127.0.0.1:{ours.port}", "--pid", str(ours.node.pid), "--topic", f"spread{partitions}",
                "--partitions", str(partitions), "--records", "1", "--seconds", str(bench.options.seconds), "--label",
                f"W9-{partitions}-all"])
            for name, number in (("stop", signal.SIGTERM), ("kill", signal.SIGKILL)):
                result[f"restart_{name}"] = [restart(bench, ours, partitions, f"W9-{partitions}-{name}", number)
                                             for _ in range(bench.options.starts)]
        finally:
            ours.stop()
        results[str(partitions)] = result
    return results


def many_connections(bench):
    results = {}
    for name, side in (("null", run.Null(bench)), ("ours", run.Ours(bench, check_ms=300000))):
        try:
            side.start()
            process = side.process if name == "null" else side.node
            time.sleep(0.5)
            results[name] = bench.load("storm", [
                "--bootstrap", f"127.0.0.1:{side.port}", "--pid", str(process.pid), "--connections",
                str(bench.options.connections), "--seconds", "3", "--label", f"W10/{name}"])
        finally:
            side.stop()
    return results


def starts(bench):
    """Start to first acknowledged write: empty, several times; with a log, after a clean stop and after kill -9."""
    results = {"empty": [], "idle": None}
    ours = run.Ours(bench, check_ms=300000)
    try:
        ours.start()
        spread(bench, ours, 1, "W11-new", create=True)
        results["idle"] = {"node": idle(ours.node.pid), "controller": idle(ours.controller.pid)}
        for _ in range(5):
            result = restart(bench, ours, 1, "W11-empty", signal.SIGTERM)
            results["empty"].append(result["first_ack_s"] if result else None)
        results["empty_median_s"] = statistics.median(value for value in results["empty"] if value is not None)
        gigabytes = bench.options.gigabytes
        spread(bench, ours, 500, "W11-create", create=True)
        for name, number in (("stop", signal.SIGTERM), ("kill", signal.SIGKILL)):
            results[f"{name}_fill"] = bench.load("fill", [
                "--bootstrap", f"127.0.0.1:{ours.port}", "--pid", str(ours.node.pid), "--topic", "spread500",
                "--partitions", "500", "--bytes", str(int(gigabytes * 1e9 / 2)), "--label", f"W11-fill-{name}"])
            results[name] = restart(bench, ours, 500, f"W11-{name}", number)
        results["gigabytes"] = gigabytes
    finally:
        ours.stop()
    return results


def cold_cluster(bench):
    """Controller and node from nothing on the disk to the first acknowledged write."""
    times = []
    for _ in range(3):
        ours = run.Ours(bench, check_ms=300000)
        try:
            since = time.monotonic_ns()
            ours.start()
            result = spread(bench, ours, 1, "W11-cluster", create=True, since=since)
            times.append(result["first_ack_s"] if result else None)
        finally:
            ours.stop()
    return {"first_ack_s": times}


def run_all(bench, names):
    results = {}
    for name, functions in (("W9", (many_partitions,)), ("W10", (many_connections,)), ("W11", (starts, cold_cluster))):
        if name not in names:
            continue
        for function in functions:
            try:
                results[f"{name}/{function.__name__}"] = function(bench)
            except (RuntimeError, OSError, TypeError) as error:
                run.say(f"{name}: {error}")
                results[f"{name}/{function.__name__}"] = {"failed": str(error)}
            shutil.rmtree(os.path.join(bench.scratch, "ours"), ignore_errors=True)
    return results
