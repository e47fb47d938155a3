"""B12: many accounts and Regions, all busy at once, in virtual time: what each has of its own quota.

Operator, API server and AWS run in this process, and the clock jumps where the program would wait, so nothing
but the operator's own order of work decides: the shares and intervals are the same on every machine. The CPU
is that of all three.

    PYTHONPATH=. python bench/regions.py 60 50
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from itertools import pairwise
from typing import Any, Final

import structlog
from tests.support.accounts import FAR_REGION, REGION, Cloud, role
from tests.support.classes import ALLOW, GATEWAY, Platform, arn
from tests.support.virtual_time import run_virtual
from tests.support.world import World, clients

from mcp_gateway_operator.agentcore.quota import Quotas

CREATES: Final = 5.0
"""Creates a second that AWS takes in each account and Region."""
DRIFT: Final = 60.0
PLAIN: Final[dict[str, Any]] = {"authType": "NoAuth", "oauthProviderArn": None, "oauthScopes": None}
LIMIT: Final = 3600.0


class Bench:
    """A gateway and an MCPGateway in each place, and MCPServers that all come at once."""

    def __init__(self, places: int, objects: int) -> None:
        self.world = World()
        self.platform = Platform(self.world)
        self.cloud = self.world.opener = Cloud(self.world)
        self.places = [
            (str(200_000_000_000 + number // 2), (REGION, FAR_REGION)[number % 2]) for number in range(places)
        ]
        self.objects = objects

    async def set_up(self) -> None:
        """Make the MCPGateways."""
        allow = [{**ALLOW, "namespaces": {}, "authTypes": ["*"]}]
        for number, (account, region) in enumerate(self.places):
            self.cloud.aws(account, region).create_gateway(GATEWAY)
            at = arn(GATEWAY, account=account, region=region)
            await self.platform.make(
                f"p{number}", gateway_arn=at, allow=allow, aws={"roleArn": role(account)}
            )

    async def fill(self, hanging: int) -> float:
        """Make all objects, and wait until those are there whose place answers; return the seconds."""
        began = now()
        for nth in range(self.objects):
            for place in range(len(self.places)):
                spec = {**PLAIN, "gatewayRef": {"name": f"p{place}"}}
                await self.world.create(f"s{place}-{nth}", **spec)
        await self.world.until(lambda: self._made(hanging), within=LIMIT)
        return now() - began

    def _made(self, hanging: int) -> bool:
        alive = self.places[: len(self.places) - hanging]
        return all(len(self.cloud.targets(GATEWAY, *each)) == self.objects for each in alive)

    def moments(self, operation: str, *, since: float = 0.0) -> dict[tuple[str, str], list[float]]:
        """Return when an operation was asked for in each place."""
        found = defaultdict(list)
        for place in self.places:
            for each in self.cloud.aws(*place).requests(limit=100_000):
                if each["operation"] == operation and each["time"] >= since:
                    found[place].append(each["time"])
        return found


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def run(places: int, objects: int, hanging: int) -> dict[str, Any]:
    """Return the figures; the last so many places never answer."""
    bench = Bench(places, objects)
    await bench.set_up()
    for account, region in bench.places[places - hanging :]:
        bench.cloud.aws(account, region).add_fault(kind="hang", count=None)
    before = time.process_time()
    async with bench.world.operator(gateway_id="", quotas=Quotas(), drift_interval=DRIFT):
        seconds = await bench.fill(hanging)
        spent = time.process_time() - before
        alive = bench.places[: places - hanging]
        creates = bench.moments("CreateGatewayTarget")
        shares = [100 * (objects - 1) / ((creates[each][-1] - creates[each][0]) * CREATES) for each in alive]
        await bench.world.pass_time(60.0)
        since = bench.world.aws.time()
        await bench.world.pass_time(4 * DRIFT)
        lists = bench.moments("ListGatewayTargets", since=since)
        gaps = [after - first for each in alive for first, after in pairwise(lists[each])]
    return {
        "places": places,
        "objects_in_each": objects,
        "places_that_never_answer": hanging,
        "seconds": round(seconds, 1),
        "percent_of_the_quota_of_creates": {
            "least": round(min(shares), 1),
            "median": round(statistics.median(shares), 1),
        },
        "longest_gap_between_lists_in_intervals": round(max(gaps) / DRIFT, 2),
        "cpu_seconds": round(spent, 1),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("places", type=int, nargs="?", default=60)
    parser.add_argument("objects", type=int, nargs="?", default=50, help="in each place")
    parser.add_argument("--hanging", type=int, default=0, help="places that never answer")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    given = parser.parse_args()
    clients()
    print(json.dumps(run_virtual(run(given.places, given.objects, given.hanging)), indent=2))


if __name__ == "__main__":
    main()
