"""What it costs to put a finalizer and a status on N new objects: kopf against this project's runtime.

    python bench/alternatives/throughput.py kopf --objects 1000 [--polls 3] [--tuned]
    python bench/alternatives/throughput.py runtime --objects 1000 [--polls 3]

A real API server is started and the objects are created before the operator starts. It counts as finished
when the API server has seen no write for five seconds and at least two for each object. Counts of requests
are the API server's own; CPU time is the operator's from its start to the last write, imports included.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import tempfile
import threading
import time
from pathlib import Path

import objects
import scratch

from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator_demo.localcluster import local_cluster
from mcp_gateway_operator_demo.project_files import project_dir

QUIET = 5.0
LIMIT = 1800.0
STEP = 0.5
WRITES = {"PATCH", "PUT", "UPDATE", "POST", "DELETE", "CREATE"}


def requests(kubeconfig: Path) -> dict[str, int]:
    """Return the API server's count of requests on MCPServers and Events, by resource and verb."""
    counts: dict[str, int] = {}
    for line in objects.metrics(kubeconfig).splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["resource"] in {"mcpservers", "events"}:
                what = " ".join(filter(None, (labels["resource"], labels["subresource"], labels["verb"])))
                counts[what] = counts.get(what, 0) + int(float(line.rpartition(" ")[2]))
    return counts


def growth(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """Return the counts that grew, and by how much."""
    return {what: more for what in sorted(after) if (more := after[what] - before.get(what, 0))}


def writes(counts: dict[str, int]) -> int:
    """Return how many of the requests were writes."""
    return sum(count for what, count in counts.items() if what.rpartition(" ")[2] in WRITES)


def measure(kubeconfig: Path, process_id: int, count: int) -> dict[str, object]:
    """Wait until the writes stop and say what happened up to the last of them."""
    pause = threading.Event()
    before = requests(kubeconfig)
    began = last = time.monotonic()
    seen: dict[str, int] = {}
    cpu = 0.0
    files = refused = 0
    while writes(seen) < 2 * count or time.monotonic() - last < QUIET:
        if time.monotonic() - began > LIMIT:
            raise TimeoutError(f"Not finished after {LIMIT:g} s: {seen}")
        pause.wait(STEP)
        files = max(files, scratch.open_files(process_id))
        try:
            now = growth(requests(kubeconfig), before)
        except ApiError as error:
            if not error.unavailable:
                raise
            refused += 1
            continue
        if writes(now) != writes(seen):
            last, cpu = time.monotonic(), scratch.cpu_seconds(process_id)
        seen = now
    done, size = objects.settled(kubeconfig)
    return {
        "settled": done,
        "bytes_of_a_settled_object": size,
        "seconds_to_last_write": round(last - began, 1),
        "cpu_seconds_to_last_write": round(cpu, 2),
        "peak_rss_megabytes": scratch.megabytes(process_id, "VmHWM"),
        "rss_megabytes_afterwards": scratch.megabytes(process_id, "VmRSS"),
        "most_open_files": files,
        "times_the_api_server_did_not_answer_us": refused,
        "requests": seen,
        "writes_per_object": round(writes(seen) / count, 2),
    }


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("operator", choices=("kopf", "runtime"))
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--polls", type=int, default=0, help="looks at each object before it is READY")
    parser.add_argument("--tuned", action="store_true", help="kopf with 100 workers, pages and little log")
    parser.add_argument("--kopf-python", type=Path, help="an interpreter that has kopf; made when absent")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcps-alternatives-") as directory:
        folder = Path(directory)
        words = scratch.command(options.operator, folder, options.kopf_python)
        with local_cluster(folder / "cluster") as cluster:
            cluster.apply(project_dir("config/crd") / "bases")
            cluster.kubectl("create", "namespace", objects.NAMESPACE)
            objects.create(cluster.kubeconfig, [f"server-{number:05d}" for number in range(options.objects)])
            settings = {
                "KUBECONFIG": str(cluster.kubeconfig),
                "POLLS": str(options.polls),
                "TUNED": str(int(options.tuned)),
            }
            log = folder / "operator.log"
            with scratch.running(words, log=log, environment=settings) as process:
                result = measure(cluster.kubeconfig, process.pid, options.objects)
            lines = log.read_text(encoding="utf-8").splitlines()
    about = {
        "operator": scratch.KOPF if options.operator == "kopf" else "runtime",
        "python": platform.python_version(),
        "objects": options.objects,
        "polls": options.polls,
        "tuned": options.tuned,
    }
    print(json.dumps(about | result | {"log_lines": len(lines), "log_head": lines[:3]}, indent=2))


if __name__ == "__main__":
    main()
