"""How a pass that ended in a wait goes on: until when, whether status says so, and whether an Event does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcp_gateway_operator.api.annotations import notes
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.runtime.events import EventType
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import AgentCoreError, State
from mcp_gateway_operator.targets.rules import earliest, reason_of, stray_note, stray_rows, why_refused

QUEUED_AFTER = 30.0
"""Seconds an object waits for its turn before its status says so."""
REFUSED = frozenset({Reason.CREDENTIALS_REFUSED, Reason.SIGNATURE_REFUSED})
"""What objects say while AWS refuses the credentials of every call."""
_NOTEWORTHY = frozenset(
    {
        Reason.TARGET_FAILED,
        Reason.DRIFTED,
        Reason.PENDING_AUTHORIZATION,
        Reason.AWS_UNAVAILABLE,
    }
)
"""Reasons that are worth an Event although they need nobody's help; stalled objects get one in any case."""


class StatusTiming(NamedTuple):
    """Whether a wait is said in status.

    Attributes:
        now: it is said now.
        again: when one that is held back may be said, in loop seconds; None when it need not be.
        waiting_since: since when passes have ended in a wait that says little.
    """

    now: bool
    again: float | None = None
    waiting_since: float | None = None


class NewEvent(NamedTuple):
    """An Event to be; `turn`: Ready has turned, for the worse or back."""

    type: EventType
    reason: str
    message: str
    turn: bool = True


def status_timing(state: State, wait: act.Wait) -> StatusTiming:
    """Decide whether a wait is told: here, and nowhere else.

    One that says little is held back, and told once it has taken long; one that says nothing new never is
    while status speaks of this generation already. A record that status does not hold yet is told of, for
    what status says of an earlier target is not true of this one; but it waits a moment for READY, so that
    both make one write. An object that is being deleted is not Ready any more, however soon it is gone.
    """
    if not isinstance(wait, act.Await) or state.outage is not None:
        # An outage is told in words that stay the same while it lasts.
        return StatusTiming(now=True)
    now, memory, obj = state.now, state.memory, state.obj
    quiet, again, since = wait.quiet, None, None
    says_little = quiet or wait.reason == Reason.QUEUED
    if says_little and not (quiet and obj.speaks_of_generation):
        since = state.own.telling.waiting_since
        since = now if since is None else since
        again = since + QUEUED_AFTER
        quiet = now < again
        again = again if quiet else None
    leaving = obj.metadata.deletion_timestamp and obj.shows_ready
    if now < memory.report_after and not leaving:
        return StatusTiming(now=False, again=earliest(again, memory.report_after), waiting_since=since)
    return StatusTiming(now=not quiet or memory.record is not None, again=again, waiting_since=since)


def waits_of(wait: act.Wait) -> tuple[act.Await | act.Blocked, ...]:
    """Return what is waited for at AWS."""
    match wait:
        case act.Await():
            return (wait,)
        case act.Blocked(leftover=leftover):
            return (wait,) if leftover is None else (wait, leftover)
        case act.Settled(leftover=leftover) if leftover is not None:
            return (leftover,)
        case _:
            return ()


def deadline(wait: act.Wait) -> float | None:
    """Return the loop time of the next look at an object, None when something else wakes it."""
    own = None if isinstance(wait, act.Reject) else wait.until
    return earliest(own, *(each.until for each in waits_of(wait)))


def events_of(state: State, wait: act.Wait, after: MCPServer) -> Iterator[NewEvent]:
    """Yield what is worth an Event in a status that was written: a turn for the worse, or back to Ready.

    A repair passes through other reasons and comes back to the one that was told of, again and again. Each
    other target with the object's marker, and each annotation that is not understood, is told of once: status
    speaks of it from then on.
    """
    kind = ConditionType.READY
    old, new = (obj.status.condition(kind) for obj in (state.obj, after))
    # An outage is told once for all that it concerns (`controller.news`), and so is its end.
    doubted = any(each is not None and each.status == "Unknown" for each in (old, new))
    turned = old is None or new is None or (old.status, old.reason) != (new.status, new.reason)
    if new is not None and turned and not doubted and state.outage is None:
        stalled = after.status.condition(ConditionType.STALLED)
        worth = (stalled is not None and stalled.status == "True") or new.reason in _NOTEWORTHY
        if new.status == "True":
            if old is None or old.status != "True":
                yield NewEvent("Normal", new.reason, new.message)
        elif worth and new.reason != state.own.telling.worse:
            yield NewEvent("Warning", new.reason, new.message)
    paused = after.status.condition(ConditionType.PAUSED)
    if paused is not None and state.obj.status.condition(ConditionType.PAUSED) is None:
        yield NewEvent("Normal", paused.reason, paused.message, turn=False)
    before = old.message if old is not None else ""
    for note in notes(after.metadata.annotations):
        if new is not None and note in new.message and note not in before:
            yield NewEvent("Warning", "AnnotationNotUnderstood", note, turn=False)
    ended = isinstance(wait, act.Settled | act.Blocked)
    if ended and any(row.summary.target_id not in before for row in stray_rows(state)):
        yield NewEvent("Warning", Reason.DUPLICATE_MARKER, stray_note(state), turn=False)


def queued(state: State, step: act.Step, refused: AgentCoreError | None) -> act.Await | act.Blocked:
    """Return the wait for a quota ticket; a target that is merely to be looked at stays what it is.

    So does one that another is to make room for, leaving its gateway. Where `refused` says that AWS takes no
    call with these credentials, the ticket comes when it does again.
    """
    leaving = isinstance(step, act.AtPlace) and any(each.place == step.place for each in state.leftovers)
    inner = step.step if isinstance(step, act.AtPlace) else step
    looks = leaving or isinstance(inner, act.Read | act.Synchronize)
    obj = state.obj
    if refused is not None:
        reason, why = reason_of(refused), why_refused(refused)
        if looks and (obj.was_ready or obj.in_doubt):
            return act.Await(reason=reason, message=why, quiet=True)
        return act.Blocked(reason=reason, message=why)
    ready = obj.status.condition(ConditionType.READY)
    over = ready is not None and ready.reason in REFUSED
    return act.Await(
        reason=Reason.QUEUED,
        message="Waiting for a turn within AWS's request quotas.",
        quiet=(looks or not obj.was_ready) and not over,
    )
