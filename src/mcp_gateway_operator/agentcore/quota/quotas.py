"""The call quotas of the AgentCore control plane, as an operator setting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Op(StrEnum):
    """Operations that AWS counts apart, per account and Region."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SYNCHRONIZE = "synchronize"
    GET = "get"
    LIST = "list"
    LIST_GATEWAYS = "list-gateways"


class Lane(StrEnum):
    """Who goes first: what a user waits for, or what can wait."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


LEAST_RATE: Final = 1 / 3600
"""Calls per second: who gives less mistakes the unit, or wants the operator stopped."""
GATEWAY_WRITES: Final = frozenset({Op.CREATE, Op.UPDATE, Op.DELETE})
"""The operations that one gateway runs only a few of at a time."""

_ALIASES: Final = {"sync": Op.SYNCHRONIZE.value}
_COUNTS: Final = {"gateway-writes": "gateway_writes", "gateway-targets": "gateway_targets"}


@dataclass(frozen=True)
class Quotas:
    """Calls per second for each operation; None lifts the limit.

    The defaults are the service's own (Bedrock AgentCore "Quotas" page of 2026; all adjustable there). The
    page does not list SynchronizeGatewayTargets: it is held to the rate of the other writes.

    Attributes:
        gateway_writes: Creates, Updates and Deletes in flight on one gateway.
        gateway_targets: targets on one gateway. Nothing is held back for it, but AWS may refuse a full
            gateway with an error that says no more than "conflict".
    """

    create: float | None = 5
    update: float | None = 5
    delete: float | None = 5
    synchronize: float | None = 5
    get: float | None = 10
    list: float | None = 10
    list_gateways: float | None = 10
    gateway_writes: int | None = 5
    gateway_targets: int | None = 100

    def rate(self, op: Op) -> float | None:
        """Return the calls per second allowed for an operation; None is unlimited."""
        rates = {
            Op.CREATE: self.create,
            Op.UPDATE: self.update,
            Op.DELETE: self.delete,
            Op.SYNCHRONIZE: self.synchronize,
            Op.GET: self.get,
            Op.LIST: self.list,
            Op.LIST_GATEWAYS: self.list_gateways,
        }
        return rates[op]

    @classmethod
    def parse(cls, text: str) -> Quotas:
        """Read `default`, `unlimited` or a list such as `create=5,sync=2.5,gateway-writes=unlimited`.

        What a list does not name keeps its default.

        Raises:
            ValueError: the text is none of these; the message says what to write.
        """
        text = text.strip()
        if text in {"", "default"}:
            return cls()
        if text == "unlimited":
            return cls(None, None, None, None, None, None, None, None)
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            key = _ALIASES.get(name, name)
            if equals and key in _COUNTS:
                given[_COUNTS[key]] = _count(name, value)
            elif equals and key in set(Op):
                given[key.replace("-", "_")] = _rate(name, value)
            else:
                raise ValueError(
                    f"{part.strip()!r} is not a quota: write 'default', 'unlimited' or a list such as "
                    "'create=5,update=5,delete=5,sync=5,get=10,list=10,list-gateways=10,gateway-writes=5,gateway-targets=100'"
                )
        return cls(**given)


def _rate(name: str, value: str) -> float | None:
    if value == "unlimited":
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"the quota {name}={value} is not a number of calls per second above 0, or 'unlimited'"
        )
    if number < LEAST_RATE:
        raise ValueError(
            f"the quota {name}={value} is less than one call an hour, so next to nothing would ever be done: "
            "give calls per second, as AWS does"
        )
    return number


def _count(name: str, value: str) -> int | None:
    if value == "unlimited":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"the quota {name}={value} is not a whole number above 0, or 'unlimited'")
    return int(value)
