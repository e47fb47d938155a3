"""Faults on the way between caller and service: errors, throttling, lost answers, hangs, resets."""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec

from agentcore_simulator.errors import HTTP_STATUS, ServiceError
from agentcore_simulator.messages import Effect
from agentcore_simulator.settings import Count, Seconds

Status = Annotated[int, msgspec.Meta(ge=400, le=599)]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to the next calls that match.

    With `commit` the operation takes effect before its answer is replaced or lost.
    """

    operation: str = "*"
    gateway: str | None = None
    target: str | None = None
    """Target id."""
    name: str | None = None
    """Target name in a Create or Update."""
    account: str | None = None
    """Account that the call works in; of STS, the caller's."""
    region: str | None = None
    role: str | None = None
    """ARN of the role whose session calls, or that AssumeRole asks for."""
    count: Count | None = 1
    """How many calls; null for all until removed."""
    skip: Count = 0
    """Let this many matching calls pass first."""
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Of hitting a matching call; misses do not use up `count`."""
    kind: Literal["error", "close", "reset", "hang", "delay"] = "error"
    commit: bool = False
    code: str = "InternalServerException"
    status: Status | None = None
    """HTTP status; by default the one of `code`."""
    message: str | None = None
    delay: Seconds = 0.0
    """Seconds before the answer (or its loss)."""

    @property
    def effect(self) -> Effect:
        """What becomes of the answer."""
        return "answer" if self.kind == "error" or self.kind == "delay" else self.kind  # noqa: PLR1714  -- narrows

    def error(self) -> ServiceError:
        """The error answer of kind "error"."""
        message = self.message or _MESSAGES.get(self.code, "The request failed.")
        extra = {"reason": "FieldValidationFailed"} if self.code == "ValidationException" else {}
        return ServiceError(
            self.code, message, status=self.status or HTTP_STATUS.get(self.code, 500), **extra
        )


_MESSAGES = {
    "ThrottlingException": "Rate exceeded",
    "InternalServerException": "An internal error occurred while processing the request.",
    "ServiceUnavailableException": "Service is unavailable, try again later.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "AccessDeniedException": "Access denied",
}

CHAOS = (
    Fault(count=None, probability=0.05, code="ThrottlingException"),
    Fault(count=None, probability=0.02, code="InternalServerException"),
    Fault(count=None, probability=0.01, code="InternalServerException", commit=True),
    Fault(count=None, probability=0.01, kind="close", commit=True),
    Fault(count=None, probability=0.01, kind="reset"),
    Fault(count=None, probability=0.05, kind="delay", delay=0.7),
)
"""The random faults of profile "chaos"."""


class FaultPlan:
    """The faults that are waiting for their calls, in order."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def take(self, call: dict[str, str | None], rng: random.Random) -> Fault | None:
        """The first fault that hits `call`, if any; its count goes down by one.

        `call` has `operation`, `gateway`, `target`, `name`, `account`, `region` and `role`.
        """
        for fault in self.faults:
            if not _concerns(fault, call):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.probability < 1.0 and rng.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
            return fault
        return None


def _concerns(fault: Fault, call: dict[str, str | None]) -> bool:
    return fault.operation in {"*", call["operation"]} and all(
        wanted is None or wanted == call[member]
        for member, wanted in (
            ("gateway", fault.gateway),
            ("target", fault.target),
            ("name", fault.name),
            ("account", fault.account),
            ("region", fault.region),
            ("role", fault.role),
        )
    )
