"""What the admission policy adds to a write of an MCPServer, with one MCPGateway and with 50.

    PYTHONPATH=. python bench/admission.py --writes 300

A real API server on loopback; the writes are creations as a dry run, one after the other, in turn in a
namespace for which the policy is bound and in one for which it is not. Told are milliseconds as a client
sees them, and of the API server's CPU, which counts what it does beside, garbage collection above all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from costs import cpu_seconds
from tests.integration.api.objects import API_VERSION
from tests.integration.api.policy import apply, mcpgateway, policy, server, until_refused
from tests.unit.targets.permits import ALLOW, PLAIN, POLICY

from mcp_gateway_operator.api.mcpgateway import LabelSelector
from mcp_gateway_operator_demo.localcluster import LocalCluster, local_cluster
from mcp_gateway_operator_demo.project_files import project_dir

NAMED: Final = "tools-prod"
ASKED: Final = "team-a"
FREE: Final = "team-free"
ROUNDS: Final = 10
"""Turns in which each of the two namespaces is written to: what else the machine does meets both alike."""


def write(cluster: LocalCluster, namespace: str) -> None:
    """Create an MCPServer that its MCPGateway permits, and that is not kept."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/mcpservers?dryRun=All"
    cluster.post(path, server("orders", namespace, {"gatewayRef": {"name": NAMED}, **PLAIN}))


def measure(cluster: LocalCluster, writes: int) -> dict[str, Any]:
    """Return what writes cost with the policy and without."""
    _, api_server = cluster.pids
    milliseconds: dict[str, list[float]] = {ASKED: [], FREE: []}
    cpu = dict.fromkeys(milliseconds, 0.0)
    for _ in range(ROUNDS):
        for namespace, times in milliseconds.items():
            before = cpu_seconds(api_server)
            for _ in range(writes // ROUNDS):
                began = time.perf_counter()
                write(cluster, namespace)
                times.append((time.perf_counter() - began) * 1000)
            cpu[namespace] += cpu_seconds(api_server) - before
    return {
        name: {
            "fastest_ms": round(min(milliseconds[namespace]), 2),
            "median_ms": round(statistics.median(milliseconds[namespace]), 2),
            "cpu_ms_a_write": round(cpu[namespace] * 1000 / len(milliseconds[namespace]), 2),
        }
        for name, namespace in (("with", ASKED), ("without", FREE))
    }


def run(writes: int) -> dict[str, Any]:
    """Return the figures."""
    everybody = msgspec.structs.replace(ALLOW, namespaces=LabelSelector())
    gateway = msgspec.structs.replace(POLICY, allow=(everybody,))
    found: dict[str, Any] = {"cpus": os.cpu_count(), "machine": platform.machine(), "writes": writes}
    with TemporaryDirectory() as directory, local_cluster(Path(directory)) as cluster:
        cluster.apply(project_dir("config/crd") / "bases")
        for namespace in (ASKED, FREE):
            cluster.create_namespace(namespace)
        apply(cluster, [mcpgateway(NAMED, gateway), *policy("measured", [ASKED])])
        refused = {"gatewayRef": {"name": NAMED}, **PLAIN, "adoptionPolicy": "IfExists"}
        until_refused(cluster, server("refused", ASKED, refused))
        for count in (1, 50):
            names = [NAMED, *(f"other-{number}" for number in range(count - 1))]
            apply(cluster, [mcpgateway(name, gateway) for name in names])
            time.sleep(3.0)  # until its caches have them
            measure(cluster, ROUNDS)
            found[f"{count} MCPGateways"] = measure(cluster, writes)
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--writes", type=int, default=300)
    print(json.dumps(run(parser.parse_args().writes), indent=2))


if __name__ == "__main__":
    main()
