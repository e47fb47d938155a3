"""Request rates (token buckets) and concurrent writes a gateway, as the AgentCore quota page has them."""

from __future__ import annotations

from agentcore_simulator.errors import ServiceError, conflict, quota_exceeded, throttled
from agentcore_simulator.plane.resources import BUSY, DELETING, SYNCHRONIZING, Gateway
from agentcore_simulator.settings import Settings

WRITES = frozenset({"CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget"})


class Buckets:
    """One token bucket for each account, Region and operation; each holds one second's worth of requests."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, str, str], tuple[float, float]] = {}

    def take(self, account: str, region: str, operation: str, settings: Settings, now: float) -> None:
        """Take a token.

        Raises:
            ServiceError: ThrottlingException when the rate of `operation` is used up.
        """
        rate = settings.quotas.rates.get(operation)
        if rate is None:
            return
        key = (account, region, operation)
        size = max(rate, 1.0)
        level, since = self._levels.get(key, (size, now))
        level = min(size, level + (now - since) * rate)
        if level < 1.0:
            self._levels[key] = (level, now)
            raise throttled()
        self._levels[key] = (level - 1.0, now)


def enter_write(gateway: Gateway, settings: Settings, now: float, seconds: float) -> None:
    """Count a Create, Update or Delete that lasts `seconds` against the gateway's concurrency quota.

    Raises:
        ServiceError: the quota is used up; its kind is a switch.
    """
    limit = settings.quotas.writes_in_flight
    if settings.switches.in_flight_counts == "targets":
        moving = sum(
            target.status == DELETING or (target.status in BUSY and target.status != SYNCHRONIZING)
            for target in gateway.targets.values()
        )
    else:
        gateway.writes = [end for end in gateway.writes if end > now]
        moving = len(gateway.writes)
    if moving >= limit:
        raise _too_many(gateway, limit, settings)
    gateway.writes.append(now + seconds)


def _too_many(gateway: Gateway, limit: int, settings: Settings) -> ServiceError:
    message = f"Too many concurrent target operations on gateway {gateway.id}: at most {limit} are allowed."
    kind = settings.switches.in_flight_error
    return {"throttling": throttled, "quota": quota_exceeded, "conflict": conflict}[kind](message)
