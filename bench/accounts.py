"""B11: thousands of MCPServers over several accounts and Regions: memory, threads, and each one's quota.

    python bench/accounts.py --places 5 --quotas create=5
    python bench/accounts.py --places 60 --quotas create=0.5

Each place, an account in a Region, has gateways for its share of the objects, an MCPGateway for each of them,
and a role; AWS keeps its quotas in each by itself. The Creates of all places together have to be fewer than
this machine's API server can take: `--quotas` are the operator's, for each place. Phases:

- made: all objects are created at once, and each place has work until it has made its last target
- start: the operator is started anew over all of them
- rest: nothing happens, and Lists come in their interval
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from costs import cpu_seconds, megabytes
from fleet import NAMESPACE, QUIET_SECONDS, TARGETS_PER_GATEWAY, Conditions, Fleet, endpoint_of, installation
from memory import MALLOC

from mcp_gateway_operator.api import names
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS

REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2", "ap-northeast-1")
FIRST_ACCOUNT: Final = 200_000_000_000
ALLOW: Final = [{"namespaces": {}, "authTypes": ["*"], "endpoints": ["*"]}]
LOG: Final = 500_000
"""Requests that the simulator keeps, all Lists among them."""
LOOK: Final = 0.5
"""Seconds between two looks at the number of threads."""


class Places:
    """The accounts and Regions, and which objects are where."""

    def __init__(self, count: int, objects: int) -> None:
        self.count = count
        self.gateways = -(-objects // count // TARGETS_PER_GATEWAY) or 1

    def where(self, place: int) -> tuple[str, str]:
        """Return an account and its Region."""
        return str(FIRST_ACCOUNT + place // len(REGIONS)), REGIONS[place % len(REGIONS)]

    def gateway(self, number: int) -> str:
        """Return the id of a gateway; each place has the same ones."""
        return f"tools-{number:010d}"

    def set_up(self, fleet: Fleet) -> None:
        """Make gateways and MCPGateways."""
        admin, cluster = fleet.environment.simulator.admin, fleet.environment.cluster
        manifests = []
        for place in range(self.count):
            account, region = self.where(place)
            there = admin.account(account, region)
            if not place % len(REGIONS):
                there.add_role("mcp-targets", trust=["*"])
            for number in range(self.gateways):
                gateway_id = self.gateway(number)
                there.create_gateway(gateway_id)
                arn = f"arn:aws:bedrock-agentcore:{region}:{account}:gateway/{gateway_id}"
                spec = {
                    "gatewayArn": arn,
                    "aws": {"roleArn": f"arn:aws:iam::{account}:role/mcp-targets"},
                    "allow": ALLOW,
                }
                manifests.append(_named(MCPGATEWAYS.version, names.CLASS_KIND, f"p{place}-{number}", spec))
        cluster.apply("\n---\n".join(json.dumps(each) for each in manifests))

    def class_of(self, number: int) -> str:
        """Return the MCPGateway of an object: places in turn."""
        place, nth = number % self.count, number // self.count
        return f"p{place}-{nth // TARGETS_PER_GATEWAY}"


def _named(version: str, kind: str, name: str, spec: dict[str, Any], **meta: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{names.GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name, **meta},
        "spec": spec,
    }


class Meter:
    """Peaks of the phases; the kernel's own are set back before each."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.figures: dict[str, Any] = {}
        self._threads = 0

    async def phase(self, name: str, doing: Awaitable[object]) -> None:
        """Measure what the operator takes while something is done."""
        pid = self._fleet.environment.operator.pid
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # noqa: ASYNC240  -- the kernel's
        began, cpu, self._threads = time.monotonic(), cpu_seconds(pid), 0
        looking = asyncio.create_task(self._look())
        await doing
        looking.cancel()
        after = self._fleet.environment.operator.pid
        spent = cpu_seconds(after) - (cpu if after == pid else 0.0)
        seconds = time.monotonic() - began
        self.figures[name] = {
            "seconds": round(seconds, 1),
            "peak_mib": megabytes(after, "VmHWM"),
            "resident_mib": megabytes(after, "VmRSS"),
            "threads_at_most": self._threads,
            "cpu_seconds": round(spent, 1),
            "percent_of_one_core": round(100 * spent / seconds, 1),
        }
        print(name, json.dumps(self.figures[name]), flush=True)

    async def _look(self) -> None:
        while True:
            pid = self._fleet.environment.operator.pid
            self._threads = max(self._threads, _threads(pid))
            await asyncio.sleep(LOOK)


def _threads(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return 0


class Run:
    """One fleet over its places."""

    def __init__(self, fleet: Fleet, places: Places, rate: float, rest: float) -> None:
        self._fleet = fleet
        self._places = places
        self._rate = rate
        self._rest = rest

    async def made(self) -> None:
        """Make all objects, and wait until they are Ready."""
        fleet = self._fleet
        keys = fleet.name(fleet.conditions.objects)
        numbers = {key: number for number, key in enumerate(keys)}

        async def create(key: tuple[str, str]) -> None:
            spec = {
                "endpoint": endpoint_of(key, 1),
                "gatewayRef": {"name": self._places.class_of(numbers[key])},
                "capabilities": ["tools"],
                "authType": "NoAuth",
            }
            body = _named(names.VERSION, names.KIND, key[1], spec, namespace=key[0])
            await fleet.kube.send("POST", MCPSERVERS.path(NAMESPACE), body)

        await fleet._each(keys, create)  # noqa: SLF001  -- the same for another spec
        await fleet.view.ready(keys, 1, seconds=fleet.limit + len(keys) / self._rate / self._places.count)
        # Each MCPGateway's gateway is looked at every five minutes, so calls never cease.
        await asyncio.sleep(QUIET_SECONDS)

    async def start(self) -> None:
        """Kill the operator and start it again; every gateway is listed within an interval."""
        await asyncio.to_thread(self._fleet.kill_operator)
        await asyncio.to_thread(self._fleet.start_operator)
        await asyncio.sleep(1.2 * self._fleet.conditions.drift_interval)

    async def rest(self) -> None:
        """Do nothing."""
        await asyncio.sleep(self._rest)

    def creates(self) -> dict[str, Any]:
        """Return how much of its quota each place had while it had work."""
        shares, throttled = [], 0
        for place in range(self._places.count):
            log = self._log(place)
            moments = [each["time"] for each in log if each["operation"] == "CreateGatewayTarget"]
            throttled += sum(each.get("error") == "ThrottlingException" for each in log)
            shares.append((len(moments) - 1) / ((moments[-1] - moments[0]) * self._rate))
        return {
            "percent_of_the_quota_in_each_place": {
                "least": round(100 * min(shares), 1),
                "median": round(100 * statistics.median(shares), 1),
                "most": round(100 * max(shares), 1),
            },
            "throttled": throttled,
        }

    def lists(self, since: float) -> dict[str, Any]:
        """Return the longest time between two Lists of one gateway, in intervals."""
        gaps = []
        for place in range(self._places.count):
            found = defaultdict(list)
            for each in self._log(place):
                if each["operation"] == "ListGatewayTargets" and each["time"] >= since:
                    found[each["gateway"]].append(each["time"])
            assert len(found) == self._places.gateways, (place, len(found))
            gaps += [after - before for moments in found.values() for before, after in pairwise(moments)]
        interval = self._fleet.conditions.drift_interval
        return {"lists": len(gaps), "longest_gap_in_intervals": round(max(gaps) / interval, 2)}

    def _log(self, place: int) -> list[Any]:
        admin = self._fleet.environment.simulator.admin
        return list(admin.account(*self._places.where(place)).requests(limit=LOG))


async def run(given: argparse.Namespace) -> dict[str, Any]:
    """Set everything up and measure."""
    conditions = Conditions(objects=given.objects, quotas=given.quotas, drift_interval=given.drift_interval)
    places = Places(given.places, given.objects)
    rate = float(given.quotas.partition("create=")[2].partition(",")[0])
    async with installation(conditions) as fleet:
        fleet.environment.simulator.admin.configure(log_size=LOG)
        await asyncio.to_thread(places.set_up, fleet)
        work, meter = Run(fleet, places, rate, given.rest), Meter(fleet)
        await meter.phase("made", work.made())
        meter.figures["made"] |= await asyncio.to_thread(work.creates)
        await meter.phase("start", work.start())
        since = await asyncio.to_thread(fleet.environment.simulator.admin.time)
        await meter.phase("rest", work.rest())
        meter.figures["rest"] |= await asyncio.to_thread(work.lists, since)
        return meter.figures


def main() -> None:
    """Measure and print; keep the figures with --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--places", type=int, default=5)
    parser.add_argument("--quotas", default="create=5")
    parser.add_argument("--drift-interval", type=float, default=60.0, help="seconds")
    parser.add_argument("--rest", type=float, default=180.0, help="seconds")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ.update(MALLOC.findall(Path("Dockerfile").read_text(encoding="utf-8")))
    load = os.getloadavg()[0]
    figures = asyncio.run(run(given))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    told = {name: getattr(given, name) for name in ("objects", "places", "quotas", "drift_interval")}
    result = {"machine": machine, "load_before": round(load, 1), **told, "figures": figures}
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
