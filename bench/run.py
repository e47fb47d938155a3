"""Run the benchmarks B1 to B9 and keep their figures as JSON.

    python bench/run.py [B1 B6 ...] [--objects 100 1000 10000] [--out bench/results]
    python bench/run.py --smoke

A fleet of each size goes through B1, B2, B3, B8, B4, B7 and B5 in turn, all or those that are named (B1 makes
it); B6 and B9 have fleets of their own. `bench/table.py` makes the tables of docs/performance.md from the
results. With --smoke a hundred objects go through all that takes no quotas, and the run fails when calls or
writes are too many; times are never asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import scenarios
from checks import check
from fleet import Conditions, installation
from growth import growth
from scenarios import Figures

ALL: Final = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9")
SMOKE: Final = ("B1", "B2", "B3", "B4", "B5", "B7", "B8")
STEPS: Final = (0, 1000, 2500, 5000, 10_000, 15_000, 20_000)
QUOTAS: Final = "create=5,update=5,delete=5,sync=5,get=10,list=10,gateway-writes=5"


class Results:
    """Prints figures as they come, and keeps them as one file a benchmark and size."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def add(self, name: str, size: int, conditions: Conditions, figures: Figures, load: float) -> None:
        """Keep the figures of one benchmark."""
        result = {
            "benchmark": name,
            "size": size,
            "drift_interval": conditions.drift_interval,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load_before": round(load, 2),
            "figures": figures,
        }
        print(json.dumps({"benchmark": name, "size": size, **figures}), flush=True)
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{name}-{size}.json"
            path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


async def life(size: int, given: argparse.Namespace, results: Results) -> dict[str, Figures]:
    """Take one fleet through its life; return the figures by benchmark."""
    conditions = Conditions(objects=size, drift_interval=given.drift_interval)
    parts = (
        ("B1", scenarios.create),
        ("B2", partial(scenarios.idle, seconds=given.idle)),
        ("B3", scenarios.restart),
        ("B8", scenarios.outside),
        ("B4", scenarios.edit),
        ("B7", scenarios.restart_backlog),
        ("B5", scenarios.delete),
    )
    found: dict[str, Figures] = {}
    async with installation(conditions) as fleet:
        for name, scenario in parts:
            if name == "B1" or name in given.benchmarks:
                load = os.getloadavg()[0]
                found[name] = await scenario(fleet)
                results.add(name, size, conditions, found[name], load)
    return found


async def with_quotas(given: argparse.Namespace, results: Results) -> None:
    """B6: 500 objects over 5 gateways within AWS's quotas, which AWS enforces."""
    conditions = Conditions(objects=given.with_quotas, quotas=QUOTAS, drift_interval=given.drift_interval)
    async with installation(conditions) as fleet:
        load = os.getloadavg()[0]
        figures = await scenarios.create(fleet)
        counts = await asyncio.to_thread(fleet.environment.simulator.admin.counts)
        # One more than the fleet has: the one alone.
        least = (given.with_quotas + 1) / 5 + conditions.creating
        figures |= {"least_seconds": least, "errors": counts["errors"]}
        results.add("B6", given.with_quotas, conditions, figures, load)


async def grow(given: argparse.Namespace, results: Results) -> None:
    """B9: memory and CPU an object."""
    steps = [step for step in STEPS if step <= given.most]
    conditions = Conditions(objects=given.most, drift_interval=60.0)
    async with installation(conditions) as fleet:
        load = os.getloadavg()[0]
        figures = await growth(fleet, steps, idle=60.0)
        results.add("B9", given.most, conditions, figures, load)


async def everything(given: argparse.Namespace) -> None:
    """Run what was asked for."""
    results = Results(given.out)
    if set(given.benchmarks) - {"B6", "B9"}:
        for size in given.objects:
            found = await life(size, given, results)
            if given.check:
                check(found, size)
    if "B6" in given.benchmarks:
        await with_quotas(given, results)
    if "B9" in given.benchmarks:
        await grow(given, results)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmarks", nargs="*", metavar="B", help=f"of {', '.join(ALL)}; all by default")
    parser.add_argument("--objects", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--with-quotas", type=int, default=500, metavar="N", help="objects of B6")
    parser.add_argument("--most", type=int, default=20_000, metavar="N", help="objects at the end of B9")
    parser.add_argument("--drift-interval", type=float, default=60.0, help="seconds")
    parser.add_argument("--idle", type=float, default=600.0, help="seconds of B2")
    parser.add_argument("--out", type=Path, help="directory for one JSON file a benchmark")
    parser.add_argument("--check", action="store_true", help="fail when calls or writes are too many")
    parser.add_argument("--smoke", action="store_true", help="short: 100 objects, short intervals, --check")
    given = parser.parse_args()
    given.benchmarks = given.benchmarks or list(ALL)
    if unknown := set(given.benchmarks) - set(ALL):
        parser.error(f"there is no {min(unknown)}: name some of {', '.join(ALL)}")
    if given.smoke:
        given.benchmarks, given.objects, given.check = list(SMOKE), [100], True
        given.drift_interval, given.idle = 4.0, 10.0
    # As Ctrl-C does, which a shell's background commands do not hear: the cluster and its files go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    asyncio.run(everything(given))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
