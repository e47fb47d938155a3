"""What an operator of 0.2 reads in a status, and what it writes: the other side of a rolling upgrade.

Taken from its sources. It knew the status fields that are declared here, dropped all others at its next
write, kept conditions of types that it did not know, and paused on `"true"` alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

READY, SYNCED, RECONCILING, STALLED = "Ready", "Synced", "Reconciling", "Stalled"


class _Camel(msgspec.Struct, rename="camel", omit_defaults=True):
    pass


class _Condition(_Camel):
    type: str
    status: str
    observed_generation: int = 0
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class _Observed(_Camel):
    updated_at: str = ""


class _Failure(_Camel):
    class_: str = msgspec.field(name="class", default="")
    attempts: int = 0
    next_attempt: str = ""


class _Move(_Camel):
    gateway_id: str = ""
    target_id: str = ""


class _Status(_Camel):
    observed_generation: int = 0
    target_id: str = ""
    recorded_for: str = ""
    gateway_arn: str = ""
    gateway_id: str = ""
    target_name: str = ""
    target_status: str = ""
    status_reasons: tuple[str, ...] = ()
    last_synchronized: str = ""
    tools_synchronized_at: str = ""
    authorization_url: str = ""
    authorization_expires: str = ""
    observed: _Observed | None = None
    moves: tuple[_Move, ...] = ()
    last_sync_request: str = ""
    failure: _Failure | None = None
    not_converging: str = ""
    conditions: tuple[_Condition, ...] = ()


class Reader:
    """An object as 0.2 read it. Raises `msgspec.ValidationError` where it could not."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.meta = raw["metadata"]
        self.spec = raw.get("spec", {})
        self.status = msgspec.convert(raw.get("status", {}), _Status)
        self.told = {each.type: each for each in self.status.conditions}

    @property
    def record(self) -> tuple[str, str] | None:
        """Gateway and id of the target that it took for this object's, and would update and delete."""
        status = self.status
        legacy = not status.recorded_for and bool(status.gateway_arn)
        if not status.target_id or (status.recorded_for != self.meta["uid"] and not legacy):
            return None
        gateway_id = status.gateway_id or status.gateway_arn.rpartition("/")[2]
        return (gateway_id, status.target_id) if gateway_id else None

    @property
    def ready(self) -> bool:
        """Whether it took this generation for Ready, and what AWS holds for proven."""
        ready = self.told.get(READY)
        return (
            ready is not None
            and ready.status == "True"
            and ready.observed_generation == self.meta["generation"]
        )

    @property
    def paused(self) -> bool:
        """Whether it wrote nothing to AWS."""
        annotations: dict[str, str] = self.meta.get("annotations", {})
        return annotations.get("mcpgateway.bedrock.aws/paused") == "true"


def written(raw: dict[str, Any], *, updated_at: str, wall: str) -> dict[str, Any]:
    """Return the status that 0.2 writes for an object whose target is READY: whole, without what it lacks.

    Args:
        raw: the object as stored.
        updated_at: AWS's time of change of the target.
        wall: now.
    """
    read = Reader(raw)
    status, generation = read.status, read.meta["generation"]
    named = read.spec.get("gatewayId", "")
    moving = read.record is not None and named not in ("", read.record[0])
    reason = "Paused" if read.paused else "Moving" if moving else ""
    holds = {
        READY: not reason,
        SYNCED: not reason,
        RECONCILING: reason == "Paused",
        STALLED: reason == "Moving",
    }
    names = {READY: "GatewayTargetReady", SYNCED: "Synced", RECONCILING: "Settled", STALLED: "Settled"}
    made = dict(read.told)
    for kind, held in holds.items():
        before, word = read.told.get(kind), "True" if held else "False"
        kept = before is not None and before.status == word
        made[kind] = _Condition(
            type=kind,
            status=word,
            observed_generation=generation,
            last_transition_time=before.last_transition_time if before is not None and kept else wall,
            reason=reason or names[kind],
            message="As 0.2 says it.",
        )
    new = msgspec.structs.replace(
        status,
        observed_generation=generation,
        target_status="READY",
        status_reasons=(),
        failure=None,
        not_converging="",
        last_synchronized=wall,
        observed=_Observed(updated_at=updated_at),
        conditions=tuple(made.values()),
    )
    found: dict[str, Any] = msgspec.to_builtins(new)
    return found


def passed_through(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the status that is left where 0.2 writes a word of it anew and knows nothing to change."""
    found: dict[str, Any] = msgspec.to_builtins(Reader(raw).status)
    return found
