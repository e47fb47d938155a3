"""What kopf, lightkube and this project's informer do when one watch goes wrong.

    python bench/alternatives/watch_faults.py kopf|lightkube|runtime [--case NAME ...]

A real API server, and a proxy in front of it that spoils the first watch on MCPServers. Two objects exist
beforehand. While that watch hangs, one of them is deleted and a third one made, so what was missed must be
found again. Prints one JSON object: for each case whether the process still runs, what it asked for
afterwards and when (seconds after the fault), whether it saw the new object, and whether it noticed that the
other one is gone.

The case `none` is the control: nothing is spoilt. Compare with it before blaming a fault: the deletion strips
the finalizer by force, and kopf's timer goes on after that in the control too, so
`works_on_the_deleted_object` says nothing about a fault.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import objects
import scratch
from proxy import Fault, Proxy, proxied, write_kubeconfig

from mcp_gateway_operator_demo.localcluster import LocalCluster, local_cluster
from mcp_gateway_operator_demo.project_files import project_dir

CASES: dict[str, tuple[Fault | None, float]] = {
    "none": (None, 15.0),
    "event-410": (Fault(410), 15.0),
    "event-500": (Fault(500), 15.0),
    "http-410": (Fault(410, in_stream=False), 15.0),
    "http-500": (Fault(500, in_stream=False), 15.0),
    "http-403": (Fault(403, in_stream=False), 15.0),
    "silent": (Fault(0), 150.0),
}
"""The fault, and the seconds for which the operator is looked at afterwards."""
STARTING = 60.0
SETTLING = 5.0
"""Twice: to take in what was missed, and then to see what is still worked on."""


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition became true in time."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(0.1)
    return True


def observe(
    process: subprocess.Popen[bytes], proxy: Proxy, log: Path, names: tuple[str, str], seconds: float
) -> dict[str, object]:
    """Cut the watch and say what the process does."""
    gone, new = names
    before = len(proxy.seen)
    cut = time.monotonic()
    proxy.cut.set()
    pause = threading.Event()
    found = wait(lambda: f"saw {new}" in log.read_text() or process.poll() is not None, seconds)
    recovered = round(time.monotonic() - cut, 1) if found and process.poll() is None else None
    pause.wait(SETTLING)
    marker = len(log.read_text())
    pause.wait(SETTLING)
    lines = log.read_text().splitlines()
    return {
        "running": process.poll() is None,
        "exit_status": process.poll(),
        "asked": [f"{when - cut:.1f} s: {what}" for when, what in proxy.seen[before:]][:8],
        "new_object_seen_after_seconds": recovered,
        "noticed_the_deletion": f"gone {gone}" in lines,
        "works_on_the_deleted_object": f"tick {gone}" in log.read_text()[marker:],
        "last_line": lines[-1][:200] if lines else "",
    }


def run_case(name: str, words: list[str], cluster: LocalCluster, folder: Path) -> dict[str, object]:
    """Run one case with objects of its own."""
    fault, seconds = CASES[name]
    stays, gone, new = (f"{name}-{what}" for what in ("stays", "gone", "new"))
    objects.create(cluster.kubeconfig, [stays, gone])
    with proxied(cluster.kubeconfig) as proxy:
        proxy.fault = fault
        settings = {"KUBECONFIG": str(write_kubeconfig(proxy, folder / f"{name}.kubeconfig")), "TELL": "1"}
        log = folder / f"{name}.log"
        with scratch.running(words, log=log, environment=settings) as process:
            watching = wait(lambda: proxy.watching or process.poll() is not None, STARTING)
            assert watching, "it has not begun to watch in time"
            assert process.poll() is None, log.read_text()
            wait(lambda: f"saw {gone}" in log.read_text(), 10.0)
            objects.remove(cluster.kubeconfig, gone)
            objects.create(cluster.kubeconfig, [new])
            return observe(process, proxy, log, (gone, new), seconds)


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("operator", choices=("kopf", "lightkube", "runtime"))
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="all when absent")
    parser.add_argument("--kopf-python", type=Path, help="an interpreter that has kopf; made when absent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcps-alternatives-") as directory:
        folder = Path(directory)
        words = scratch.command(options.operator, folder, options.kopf_python)
        with local_cluster(folder / "cluster") as cluster:
            cluster.apply(project_dir("config/crd") / "bases")
            cluster.kubectl("create", "namespace", objects.NAMESPACE)
            cases = options.case or list(CASES)
            print(json.dumps({name: run_case(name, words, cluster, folder) for name in cases}, indent=2))


if __name__ == "__main__":
    main()
