"""AWS's quotas, kept and used up, by the whole operator in virtual time; the simulator counts as AWS does."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from agentcore_simulator.settings import Durations, Settings, Switches
from agentcore_simulator.settings import Quotas as SimulatorQuotas
from mcp_gateway_operator.agentcore.quota import Lane, Op, Quotas
from mcp_gateway_operator.runtime.cluster import NAMESPACES
from tests.support.world import GATEWAY, World

GATEWAYS = [f"gateway{number}-abcdefghij" for number in range(5)]
DRIFT = 60.0


def fleet(**switches: Any) -> World:
    """Return a world with AWS's quotas, in which a target is CREATING for two seconds."""
    durations = Durations(creating=2.0, updating=2.0, deleting=2.0)
    quotas = SimulatorQuotas(enabled=True)
    world = World(simulator=Settings(durations=durations, quotas=quotas, switches=Switches(**switches)))
    for gateway_id in GATEWAYS:
        world.aws.create_gateway(gateway_id)
    return world


def refusals(world: World) -> list[str]:
    """Return the codes of the requests that were refused."""
    return [entry["error"] for entry in world.aws.requests(limit=100_000) if entry["status"] >= 400]


def created(world: World, *gateway_ids: str) -> int:
    """Return how many targets exist."""
    return sum(len(world.targets(gateway_id)) for gateway_id in gateway_ids)


async def test_two_hundred_creates_take_the_time_that_the_quota_gives() -> None:
    """200 at 5 a second are 40 seconds: within 5 percent, with no request refused or repeated."""
    world = fleet()
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()):
        for number in range(200):
            await world.create(f"server-{number}", gatewayId=GATEWAYS[number % 5])
        await world.pass_time(38)
        assert created(world, *GATEWAYS) < 200
        await world.until(lambda: created(world, *GATEWAYS) == 200, within=4)
        await world.until_ready("server-199", within=10)
        assert refusals(world) == []
        assert world.calls()["CreateGatewayTarget"] == 200
        # The first rounds of the sweep, six hours long.
        assert world.calls()["GetGatewayTarget"] <= 10


async def test_one_gateway_runs_at_full_pace_where_aws_counts_calls() -> None:
    """A hundred targets, each CREATING for two seconds: ten at a time are on the move, and AWS allows it."""
    world = fleet(in_flight_counts="calls")
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()) as operator:
        for number in range(100):
            await world.create(f"server-{number}")
        assert await world.until(lambda: created(world, GATEWAY) == 100, within=60) <= 21
        assert refusals(world) == []
        assert not operator.schedulers.own.counts_targets()


@pytest.mark.parametrize("error", ["throttling", "quota", "conflict"])
async def test_a_few_refusals_teach_that_aws_counts_targets(
    error: Literal["throttling", "quota", "conflict"],
) -> None:
    """One gateway: no refusals after the first, until it is time to try again; nothing is done twice."""
    world = fleet(in_flight_counts="targets", in_flight_error=error)
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()) as operator:
        for number in range(100):
            await world.create(f"server-{number}")
        await world.until(lambda: len(refusals(world)) > 0)
        await world.pass_time(1)
        taught = len(refusals(world))
        assert taught <= 5
        assert operator.schedulers.own.counts_targets()
        # Five at a time, two seconds each, and a second to see that they have settled.
        await world.until(lambda: created(world, GATEWAY) == 100, within=80)
        await world.until_ready("server-99", within=40)
        assert len(refusals(world)) == taught
        assert world.calls()["CreateGatewayTarget"] == 100 + taught


async def test_other_gateways_profit_from_what_one_taught() -> None:
    """The lesson is the account's: the second gateway needs no refusals of its own."""
    world = fleet(in_flight_counts="targets")
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()):
        for number in range(10):
            await world.create(f"server-{number}")
        await world.until(lambda: created(world, GATEWAY) == 10, within=30)
        before = len(refusals(world))
        assert before
        for number in range(20):
            await world.create(f"other-{number}", gatewayId=GATEWAYS[0])
        await world.until(lambda: created(world, GATEWAYS[0]) == 20, within=30)
        assert len(refusals(world)) == before


async def test_whoever_is_deleted_in_the_line_leaves_it() -> None:
    """Fifty wait for a slow quota and are deleted: no target is made, no place and no slot stays taken."""
    world = fleet()
    slow = Quotas(create=0.1)
    async with world.operator(drift_interval=DRIFT, quotas=slow) as operator:
        for number in range(51):
            await world.create(f"server-{number}")
        await world.until(lambda: created(world, GATEWAY) == 1)
        waiting = [name for name in range(51) if not (await world.get(f"server-{name}")).status.target_id]
        for number in waiting:
            await world.delete(f"server-{number}")
        await world.until(lambda: not any(world.exists(f"server-{number}") for number in waiting), within=90)
        assert operator.schedulers.depths()[Op.CREATE, Lane.INTERACTIVE] == 0
        assert operator.schedulers.queue_age(Lane.INTERACTIVE) < 15
        assert operator.schedulers.own.slots_taken(GATEWAY) == 0
        assert world.calls()["CreateGatewayTarget"] <= 3


async def test_a_new_object_goes_next_in_its_lane_during_a_backlog() -> None:
    """Three hundred of one namespace wait for a minute; one of another namespace waits for a second."""
    world = fleet()
    async with world.operator(drift_interval=DRIFT, quotas=Quotas()):
        for number in range(300):
            await world.create(f"server-{number}", gatewayId=GATEWAYS[number % 5])
        await world.pass_time(10)
        assert created(world, *GATEWAYS) < 100
        world.api.store.create(NAMESPACES, None, {"metadata": {"name": "team-b"}})
        await world.create("urgent", namespace="team-b", gatewayId=GATEWAYS[0])

        def there() -> bool:
            return any(target["name"] == "urgent" for target in world.targets(GATEWAYS[0]))

        assert await world.until(there) <= 2
