"""Create N objects on one gateway and say how long until all are Ready, and what it cost.

The conditions of the project's target: 20 ms a call, CREATING for half a second, no quotas. Real API server,
simulated AWS over HTTP, the operator as a process with its ServiceAccount's token. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import threading
import time
from pathlib import Path

import yaml

from mcp_gateway_operator.cli.environment import GATEWAY, Environment

NAMESPACE = "bench"
LIMIT_SECONDS = 600.0


def manifest(number: int) -> dict[str, object]:
    """Return one MCPServer."""
    return {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": f"server-{number:05d}", "namespace": NAMESPACE},
        "spec": {
            "endpoint": f"https://server-{number}.example.com/mcp",
            "capabilities": ["tools"],
            "authType": "NoAuth",
        },
    }


def requests_on_objects(environment: Environment) -> dict[str, int]:
    """Return the API server's own count of the writes on MCPServers, by verb and subresource."""
    text = environment.cluster.kubectl("get", "--raw", "/metrics").stdout
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if line.startswith("apiserver_request_total{") and 'resource="mcpservers"' in line:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] in {"PATCH", "UPDATE", "PUT"}:
                what = f"{labels['verb']} {labels['subresource']}".strip()
                counts[what] = counts.get(what, 0) + int(float(line.rpartition(" ")[2]))
    return counts


def ready(environment: Environment) -> int:
    """Return how many objects are Ready."""
    query = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    return environment.cluster.kubectl("get", "mcps", "-n", NAMESPACE, "-o", query).stdout.count("True")


def resident_megabytes(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100)
    count: int = parser.parse_args().objects
    with tempfile.TemporaryDirectory(prefix="mcps-bench-") as scratch:
        with Environment(Path(scratch)) as environment:
            environment.start_cluster(lambda _line: None)
            environment.start_simulator("--latency", "20")
            environment.simulator.admin.configure(durations={"creating": 0.5})
            environment.start_operator("--aws-quotas=unlimited")
            environment.cluster.kubectl("create", "namespace", NAMESPACE)
            before = requests_on_objects(environment)
            pause = threading.Event()
            text = yaml.safe_dump_all(manifest(number) for number in range(count))
            began = time.monotonic()
            environment.cluster.kubectl("create", "-f", "-", input=text)
            applied = time.monotonic()
            while ready(environment) < count:
                assert time.monotonic() - began < LIMIT_SECONDS, "not all Ready in time"
                pause.wait(0.1)
            done = time.monotonic()
            after = requests_on_objects(environment)
            result = {
                "objects": count,
                "gateway": GATEWAY,
                "seconds_from_first_apply_to_all_ready": round(done - began, 2),
                "seconds_kubectl_took_to_create": round(applied - began, 2),
                "writes": {what: number - before.get(what, 0) for what, number in after.items()},
                "aws_calls": environment.simulator.admin.counts()["operations"],
                "operator_rss_megabytes": round(resident_megabytes(environment.operator.pid), 1),
            }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
