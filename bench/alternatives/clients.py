"""What a request to the API server costs with the HTTP clients that could carry the operator.

    python bench/alternatives/clients.py [--calls 3000] [--rounds 3] [CLIENT...]

A real API server is started with a hundred MCPServers. Each client runs in a process of its own that has
loaded what every operator has loaded (botocore, msgspec, structlog), so its memory is what the client adds,
and does the same work over TLS:

- PATCH the status of the objects, 20 requests at a time; every patch changes something;
- read those changes again as watch events, from the API server's cache, as fast as they come;
- read pages of a hundred objects.

Bodies are read whole and watch events decoded with msgspec. CPU is the process's own, user and system. Prints
a line of JSON a client and round, then the medians as a table for ADR 2.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import botocore.session  # noqa: F401  -- every operator has it, and it shares much with aiohttp
import msgspec
import structlog  # noqa: F401  -- as botocore
from contestants import CONTESTANTS

PATH = "/apis/mcpgateway.bedrock.aws/v1alpha1/namespaces/bench/mcpservers"
OBJECTS = 100
AT_A_TIME = 20
PAGES = 50


def megabytes(what: str = "VmRSS") -> float:
    """Return a line of this process's status in MB."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None, "Linux"
    return int(found[1]) * 1024 / 1e6


async def timed(work: Awaitable[Any]) -> tuple[Any, float, float]:
    """Return what it returns, its CPU seconds and its seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = await work
    return done, time.process_time() - cpu, time.perf_counter() - wall


async def patch_all(client: Any, calls: int) -> None:
    """Send the patches, twenty at a time."""
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            body = {
                "status": {"targetStatus": "READY", "targetId": f"{time.time_ns()}", "observedGeneration": 1}
            }
            answer = await client.patch(
                f"{PATH}/server-{number % OBJECTS:03d}/status", msgspec.json.encode(body)
            )
            assert b"observedGeneration" in answer, answer

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_A_TIME):
            tasks.create_task(work())


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Event(msgspec.Struct):
    type: str
    object: _Object


async def watch_all(client: Any, version: str, events: int) -> None:
    """Read so many events from a version on; the API server ends a watch that is too slow for it."""
    decode = msgspec.json.Decoder(_Event).decode
    seen = 0
    while seen < events:
        path = f"{PATH}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=60"
        rest = b""
        async for chunk in client.stream(path):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = decode(line)
                version = event.object.metadata.resource_version
                seen += event.type == "MODIFIED"
            if seen >= events:
                break


async def list_all(client: Any) -> None:
    """Read pages."""
    for _ in range(PAGES):
        assert len(msgspec.json.decode(await client.get(f"{PATH}?limit={OBJECTS}"))["items"]) == OBJECTS


async def measure(name: str, kubeconfig: Path, calls: int) -> dict[str, float | str]:
    """Do the work with one client."""
    empty = megabytes()
    client = CONTESTANTS[name](kubeconfig)
    async with client:
        await patch_all(client, OBJECTS)
        loaded = megabytes()
        before = msgspec.json.decode(await client.get(f"{PATH}?limit=1"))["metadata"]["resourceVersion"]
        _, cpu, wall = await timed(patch_all(client, calls))
        working = megabytes()
        _, watch_cpu, watch_wall = await timed(watch_all(client, before, calls))
        _, list_cpu, _ = await timed(list_all(client))
    return {
        "client": name,
        "patch_cpu_ms": round(cpu / calls * 1e3, 3),
        "patches_per_second": round(calls / wall),
        "watch_events_per_second": round(calls / watch_wall),
        "watch_cpu_us": round(watch_cpu / calls * 1e6, 1),
        "page_cpu_ms": round(list_cpu / PAGES * 1e3, 2),
        "added_megabytes": round(loaded - empty, 1),
        "working_megabytes": round(working - empty, 1),
        "peak_megabytes": round(megabytes("VmHWM") - empty, 1),
        "load": os.getloadavg()[0],
    }


def rounds(options: argparse.Namespace, report: Callable[[dict[str, Any]], None]) -> None:
    """Start the API server and let each client do the work in its turn."""
    import objects  # noqa: PLC0415  -- only the parent needs these, and they load what is measured
    import scratch  # noqa: PLC0415

    from mcp_gateway_operator_demo.localcluster import local_cluster  # noqa: PLC0415
    from mcp_gateway_operator_demo.project_files import project_dir  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as directory, local_cluster(Path(directory, "cluster")) as cluster:
        cluster.apply(project_dir("config/crd") / "bases")
        cluster.kubectl("create", "namespace", objects.NAMESPACE)
        objects.create(cluster.kubeconfig, [f"server-{number:03d}" for number in range(OBJECTS)])
        with_aiohttp = scratch.packages_in(Path(directory, "aiohttp"), scratch.AIOHTTP)
        for _ in range(options.rounds):
            for name in options.clients or CONTESTANTS:
                words = ["--one", name, "--kubeconfig", str(cluster.kubeconfig)]
                words += ["--calls", str(options.calls)]
                environment = {**os.environ, **(with_aiohttp if name == "aiohttp" else {})}
                done = subprocess.run(  # noqa: S603  -- this script
                    [sys.executable, __file__, *words],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
                report(json.loads(done.stdout))


def table(found: list[dict[str, Any]]) -> str:
    """Return the medians, a row a client."""
    columns = [name for name in found[0] if name != "client"]
    lines = [f"| client | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in dict.fromkeys(each["client"] for each in found):
        values = [
            f"{statistics.median(each[column] for each in found if each['client'] == name):g}"
            for column in columns
        ]
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(map(repr, CONTESTANTS)))
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asyncio.run(measure(options.one, options.kubeconfig, options.calls))))
        return
    found: list[dict[str, Any]] = []

    def report(one: dict[str, Any]) -> None:
        print(json.dumps(one), flush=True)
        found.append(one)

    rounds(options, report)
    print(table(found))


if __name__ == "__main__":
    main()
