"""What connections to the operator's own ports cost it, and whom they keep out.

    python bench/sockets.py [--connections 1500] [--seconds 10] [--out bench/results/sockets.json]

A real operator, idle, with secured metrics. In turn: connections that say nothing to the metrics port, and
its resident memory and descriptors meanwhile; the same to the health port, and how many probes with the
kubelet's timeout of one second are answered; wrong tokens, and how many scrapes of a caller with the right
one succeed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import resource
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
from costs import cpu_seconds, megabytes, open_files

from mcp_gateway_operator_demo.environment import NAME_PREFIX, NAMESPACE, Environment, free_port

PROBE_SECONDS: Final = 1.0
"""The kubelet's own limit, where a probe names none."""
SCRAPE_SECONDS: Final = 10.0
"""Prometheus' limit on a scrape."""
FLOODERS: Final = 32
Answers = Counter[str]


@contextlib.asynccontextmanager
async def silent(port: int, count: int) -> AsyncIterator[None]:
    """Hold connections that say nothing, as many of them as the other side lets in."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    writers.append((await asyncio.open_connection("127.0.0.1", port))[1])
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


async def ask(client: httpx2.AsyncClient, url: str, **headers: str) -> tuple[str, float]:
    """Send one request; return its status or its failure, and the seconds it took."""
    began = time.monotonic()
    try:
        answer = str((await client.get(url, headers=headers)).status_code)
    except httpx2.HTTPError as error:
        answer = type(error).__name__
    return answer, time.monotonic() - began


async def metrics_port(operator: int, port: int, count: int, seconds: float) -> dict[str, Any]:
    """Fill the metrics port with silence."""
    before, cpu = megabytes(operator, "VmRSS"), cpu_seconds(operator)
    async with silent(port, count):
        descriptors = open_files(operator)
        await asyncio.sleep(seconds)
    return {
        "connections": count,
        "resident_mb_before": before,
        "resident_mb_peak": megabytes(operator, "VmHWM"),
        "descriptors": descriptors,
        "cpu_seconds": round(cpu_seconds(operator) - cpu, 2),
    }


async def health_port(url: str, port: int, count: int) -> dict[str, Any]:
    """Probe while the health port is full of silence; each probe has a connection of its own."""
    answers: Answers = Counter()
    slowest = 0.0
    async with silent(port, count):
        for _ in range(20):
            async with httpx2.AsyncClient(trust_env=False, timeout=PROBE_SECONDS) as client:
                answer, took = await ask(client, f"{url}/healthz")
            answers[answer] += 1
            slowest = max(slowest, took)
    return {"connections": count, "probes": dict(answers), "slowest_seconds": round(slowest, 3)}


async def wrong_tokens(operator: int, url: str, token: str, seconds: float) -> dict[str, Any]:
    """Scrape once a second while others knock with tokens of which each is new and wrong."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    wrong: Answers = Counter()
    right: Answers = Counter()
    slowest = 0.0

    async def knock(number: int) -> None:
        async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=SCRAPE_SECONDS) as client:
            for serial in range(1_000_000):
                answer, _ = await ask(client, url, authorization=f"Bearer wrong-{number}-{serial}")
                wrong[answer] += 1

    cpu = cpu_seconds(operator)
    tasks = [asyncio.create_task(knock(number)) for number in range(FLOODERS)]
    await asyncio.sleep(1.0)
    for _ in range(round(seconds)):
        async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=SCRAPE_SECONDS) as client:
            answer, took = await ask(client, url, authorization=f"Bearer {token}")
        right[answer] += 1
        slowest = max(slowest, took)
        await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "clients": FLOODERS,
        "wrong": dict(wrong),
        "scrapes": dict(right),
        "slowest_seconds": round(slowest, 3),
        "cpu_seconds": round(cpu_seconds(operator) - cpu, 2),
    }


def scraper(environment: Environment, directory: Path) -> str:
    """Return the token of an account that may read the metrics."""
    cluster = environment.cluster
    path = cluster.service_account_kubeconfig(NAMESPACE, "prometheus", path=directory / "prometheus")
    cluster.kubectl(
        *("create", "clusterrolebinding", "prometheus-reads"),
        *(f"--clusterrole={NAME_PREFIX}metrics-reader", f"--serviceaccount={NAMESPACE}:prometheus"),
    )
    return path.with_name(f"{path.name}.token").read_text()


async def measure(environment: Environment, directory: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    port, token = free_port(), scraper(environment, directory)
    environment.start_operator(f"--metrics-bind-address=127.0.0.1:{port}")
    operator, health = environment.operator.pid, environment.operator.health
    figures = {"metrics": await metrics_port(operator, port, given.connections, given.seconds)}
    figures["health"] = await health_port(health, int(health.rpartition(":")[2]), given.connections)
    url = f"https://127.0.0.1:{port}/metrics"
    figures["tokens"] = await wrong_tokens(operator, url, token, given.seconds)
    return figures


def main() -> None:
    """Measure and print; keep the figures with --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name, Environment(Path(name)) as environment:
        environment.start_cluster(print)
        environment.start_simulator()
        figures = asyncio.run(measure(environment, Path(name), given))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    text = json.dumps({"machine": machine, "figures": figures}, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
