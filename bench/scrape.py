"""What a scrape costs at 10,000 objects: seconds on the event loop, seconds in a thread, bytes.

    python bench/scrape.py --out bench/results/scrape.json

The fleet is in this process's caches without the passes that made it: nothing is measured but the scrape.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import statistics
import sys
import time
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402  -- after the path, as the next ones
from prometheus_client import CollectorRegistry, Metric  # noqa: E402
from prometheus_client.openmetrics.exposition import generate_latest  # noqa: E402
from prometheus_client.registry import Collector  # noqa: E402
from tests.support.virtual_time import run_virtual  # noqa: E402
from tests.support.world import World, clients  # noqa: E402
from tests.unit.metrics.test_figures import Measured, measured  # noqa: E402

from mcp_gateway_operator.agentcore.quota import Quotas  # noqa: E402
from mcp_gateway_operator.api.types import MCPServer  # noqa: E402
from mcp_gateway_operator.controller.metrics.reasons import ACTS  # noqa: E402

OBJECTS, GATEWAYS, ROUNDS = 10_000, 100, 20


class _Collected(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _crowd(obj: MCPServer) -> list[MCPServer]:
    """Return as many objects, one in ten not Ready."""
    failing = cycle(sorted(ACTS))
    crowd = []
    for number in range(OBJECTS):
        status = obj.status
        if number % 10 == 0:
            reason = next(failing)
            conditions = tuple(
                msgspec.structs.replace(each, status="False", reason=reason) if each.type == "Ready" else each
                for each in status.conditions
            )
            status = msgspec.structs.replace(status, conditions=conditions)
        meta = msgspec.structs.replace(obj.metadata, name=f"server-{number}", uid=f"uid-{number}")
        crowd.append(msgspec.structs.replace(obj, metadata=meta, status=status))
    return crowd


def _figures(figure: Measured) -> dict[str, float]:
    collecting, writing, body = [], [], b""
    for _ in range(ROUNDS):
        began = time.process_time()
        families = list(figure.metrics.controller.collect())
        collected = time.process_time()
        registry = CollectorRegistry()
        registry.register(_Collected(families))
        body = generate_latest(registry, version="1.0.0")  # type: ignore[no-untyped-call]  # the library's
        writing.append(time.process_time() - collected)
        collecting.append(collected - began)
    return {
        "milliseconds_on_the_event_loop": round(1000 * statistics.median(collecting), 1),
        "milliseconds_to_write": round(1000 * statistics.median(writing), 1),
        "kilobytes": round(len(body) / 1000, 1),
        "kilobytes_compressed": round(len(gzip.compress(body, compresslevel=5)) / 1000, 1),
        "series": float(sum(not line.startswith(b"#") for line in body.splitlines())),
    }


async def _measure() -> dict[str, float]:
    world = World()
    async with measured(world, quotas=Quotas()) as figure:
        await world.create()
        crowd = _crowd(await world.until_ready())
        for number in range(GATEWAYS):
            figure.operator.observers.track(f"gateway-{number:010d}").apply_list([], began=0.0)
        figure.operator.informer.values = lambda: crowd  # type: ignore[method-assign]  # a fleet without its passes
        return _figures(figure)


def main() -> int:
    """Measure and print, and write the file that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    clients()
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "objects": OBJECTS,
        "gateways": GATEWAYS,
        "figures": run_virtual(_measure()),
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if out is not None:
        out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
