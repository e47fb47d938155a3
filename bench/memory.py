"""How much memory the operator takes when tenants make the largest objects that the API server admits.

    python bench/memory.py [--usual 10000] [--worst 400] [--seconds 30] [--out bench/results/memory.json]

The CRD is the one without limits, for old API servers, and each of the worst objects has as many bytes as
etcd takes: in a description, in long lists, in an inline schema, in annotations of others. Peaks are VmHWM of
the operator's process, set back before each phase:

- made: all objects are created, the usual ones first, while it runs
- start: it is started anew over all of them
- relist: it lists anew, because the CRD has changed
- rest: nothing happens
- edits: 20 of the worst are edited each second
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import yaml
from costs import cpu_seconds, megabytes
from fleet import NAMESPACE, Conditions, Fleet, gateway_of, installation
from rawkube import MERGE, RefusedError

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.ports import MCPSERVERS

LIMIT: Final = 128.0
"""MiB that no phase may pass."""
BYTES: Final = 1_400_000
"""Of one of the worst objects: etcd takes 1.5 MiB, managed fields and status included."""
LEGACY: Final = Path("config/crd/legacy")
MALLOC: Final = re.compile(r"\b(MALLOC_\w+)=(\w+)")
"""What the image tells glibc, in the Dockerfile; a process of this machine is told the same."""
EDITS_A_SECOND: Final = 20
VALID: Final = (0, 3, 5, 6)
"""Kinds of the worst objects that get a target all the same."""
NEWS: Final = "is older than this operator"
"""What the operator logs when the CRD has changed."""
ANNOTATIONS: Final = 250_000
"""Bytes of all annotations of an object together, at most 256 KiB."""


def items(count: int) -> list[str]:
    """Return so many texts of 140 bytes. With short ones the API server takes too long to say yes."""
    return [f"item-{n:0131d}" for n in range(count)]


def tools(version: int, text: str) -> str:
    """Return a list of one tool with a long description."""
    tool = {"name": f"v{version}", "description": text, "inputSchema": {"type": "object"}}
    return json.dumps({"tools": [tool]}, ensure_ascii=False)


def worst(number: int, version: int, usual: int) -> dict[str, Any]:
    """Return one of the worst objects, of eight kinds, on a gateway behind those of the usual ones."""
    spec: dict[str, Any] = {
        "endpoint": f"https://worst-{number}.example.com/v{version}",
        "capabilities": ["tools"],
        "authType": "NoAuth",
        "gatewayId": gateway_of((NAMESPACE, f"server-{usual + number}")),
    }
    meta: dict[str, Any] = {"name": f"worst-{number:04d}", "namespace": NAMESPACE}
    match number % 8:
        case 0:
            meta["annotations"] = {"example.com/foreign": str(version) * (ANNOTATIONS // len(str(version)))}
        case 1:
            spec["description"] = f"{version} " + "d" * BYTES
        case 2:
            spec["capabilities"] = ["tools", f"v{version}", *items(BYTES // 140)]
        case 3:
            spec["mcpToolSchema"] = {"inline": tools(version, "\U0001f600" * 120_000)}
        case 4:
            spec["allowedRequestHeaders"] = [f"v{version}", *items(BYTES // 140)]
        case 5:
            value = str(version) * (ANNOTATIONS // len(str(version)))
            meta["annotations"] = {names.SYNC_ANNOTATION: value}
        case 6:
            spec["mcpToolSchema"] = {"inline": tools(version, "s" * 130_000)}
        case _:
            spec["targetName"] = f"v{version}-" + "\u4e2d" * (BYTES // 3)
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "metadata": meta,
        "spec": spec,
    }


async def each(numbers: range, do: Any) -> None:
    """Do something for each of the worst objects, some at a time."""
    left = iter(numbers)

    async def work() -> None:
        for number in left:
            await do(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(work())


class Meter:
    """The peaks of the phases."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.figures: dict[str, Any] = {}

    async def phase(self, name: str, doing: Awaitable[object]) -> None:
        """Measure what the operator takes while something is done."""
        pid = self._fleet.environment.operator.pid
        await asyncio.to_thread(Path(f"/proc/{pid}/clear_refs").write_text, "5")
        began, cpu = time.monotonic(), cpu_seconds(pid)
        await doing
        pid = self._fleet.environment.operator.pid
        self.figures[name] = {
            "seconds": round(time.monotonic() - began, 1),
            "peak_mib": megabytes(pid, "VmHWM"),
            "resident_mib": megabytes(pid, "VmRSS"),
            "cpu_seconds": round(cpu_seconds(pid) - cpu, 1)
            if name != "start"
            else round(cpu_seconds(pid), 1),
        }
        print(name, json.dumps(self.figures[name]), flush=True)


class Phases:
    """What is done to a fleet in each phase."""

    def __init__(self, fleet: Fleet, given: argparse.Namespace) -> None:
        self._fleet = fleet
        self._given = given
        self.edited = 0

    async def made(self) -> None:
        """Make the usual objects, and then the worst."""
        fleet = self._fleet
        await fleet.create(fleet.name(self._given.usual))
        await fleet.view.ready(fleet.keys, 1, seconds=fleet.limit)
        await each(range(self._given.worst), self._make)
        valid = [
            (NAMESPACE, f"worst-{number:04d}") for number in range(self._given.worst) if number % 8 in VALID
        ]
        await fleet.view.ready(valid, 1, seconds=fleet.limit)
        await fleet.settled()

    async def start(self) -> None:
        """Kill the operator and start it again."""
        fleet = self._fleet
        fleet.kill_operator()
        await asyncio.to_thread(fleet.start_operator)
        key = await fleet.create_alone()
        await fleet.view.ready([key], 1, seconds=fleet.limit)
        await asyncio.sleep(self._given.seconds)
        await fleet.settled()

    async def relist(self) -> None:
        """Change the CRD, and wait until the operator has seen it: it lists anew then."""
        before = self._lists()
        crd = yaml.safe_load(legacy_crd())
        served = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        del served["status"]["properties"]["notConverging"]
        await asyncio.to_thread(self._fleet.environment.cluster.apply, yaml.safe_dump(crd))
        async with asyncio.timeout(180):
            while self._lists() == before:  # noqa: ASYNC110  -- it is another process
                await asyncio.sleep(1.0)
        await self._fleet.settled()

    async def rest(self) -> None:
        """Do nothing."""
        await asyncio.sleep(self._given.seconds)

    async def edits(self) -> None:
        """Edit the worst objects in turn."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        async with asyncio.TaskGroup() as tasks:
            while loop.time() < began + self._given.seconds:
                tasks.create_task(self._edit(number % self._given.worst, 2 + number // self._given.worst))
                number += 1
                await asyncio.sleep(max(0.0, began + number / EDITS_A_SECOND - loop.time()))
        await self._fleet.settled()

    async def _make(self, number: int) -> None:
        body = worst(number, 1, self._given.usual)
        await self._fleet.kube.send("POST", MCPSERVERS.path(NAMESPACE), body)

    async def _edit(self, number: int, version: int) -> None:
        body = worst(number, version, self._given.usual)
        path = MCPSERVERS.path(NAMESPACE, body["metadata"]["name"])
        # The API server is slower than this where it has few cores.
        with contextlib.suppress(RefusedError):
            await self._fleet.kube.send("PATCH", path, body, kind=MERGE)
            self.edited += 1

    def _lists(self) -> int:
        return self._fleet.environment.operator.log.read_text(encoding="utf-8").count(NEWS)


def legacy_crd() -> str:
    """Return the CRD without limits."""
    return next(LEGACY.glob("*.yaml")).read_text(encoding="utf-8")


async def measure(fleet: Fleet, given: argparse.Namespace) -> dict[str, Any]:
    """Take a fleet through the phases."""
    meter, phases = Meter(fleet), Phases(fleet, given)
    for name in ("made", "start", "relist", "rest", "edits"):
        await meter.phase(name, getattr(phases, name)())
    meter.figures["edits"]["edits"] = phases.edited
    return meter.figures


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Set everything up and measure."""
    async with installation(
        Conditions(objects=given.usual + given.worst + 100, drift_interval=60.0)
    ) as fleet:
        await asyncio.to_thread(fleet.environment.cluster.apply, legacy_crd())
        return await measure(fleet, given)


def main() -> None:
    """Measure and print; keep the figures with --out, and fail where a phase takes too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--usual", type=int, default=10_000)
    parser.add_argument("--worst", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=30.0, help="of rest, and of edits")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ.update(MALLOC.findall(Path("Dockerfile").read_text(encoding="utf-8")))
    figures = asyncio.run(run(given))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = {"machine": machine, "usual": given.usual, "worst": given.worst, "figures": figures}
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    if over := [name for name, each in figures.items() if each["peak_mib"] > LIMIT]:
        raise SystemExit(f"more than {LIMIT:g} MiB: {', '.join(over)}")


if __name__ == "__main__":
    main()
