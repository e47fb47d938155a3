"""What conditions say while AWS cannot be asked: the last word stands, in doubt, and then it is not known."""

from __future__ import annotations

import msgspec

from mcp_gateway_operator.api.names import ConditionType
from mcp_gateway_operator.controller.tell.verdict import Verdict
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.rules import reason_of, why_unheard


def unheard(state: State, wait: act.Wait, verdict: Verdict) -> Verdict:
    """Return what is left of a verdict that rests on what AWS showed last.

    First the configuration is in doubt, and Ready stands as it was. When the outage is lost, Ready is not
    known either, and nobody is asked to act on the object. What says something is in progress says why
    nothing is heard of it. What does not rest on what AWS showed stays: an invalid spec, a refused call, an
    edit that AWS does not hold, an object that is being deleted.
    """
    outage, obj = state.outage, state.obj
    if outage is None or state.record is None or obj.metadata.deletion_timestamp or _refused(state, wait):
        return verdict
    reason, message = reason_of(outage.error, state.place), why_unheard(state, outage)
    synced = False if state.edited else None
    if outage.lost or obj.in_doubt:
        ready = False if state.edited else None
        return Verdict(ready=ready, synced=synced, reconciling=True, reason=reason, message=message)
    told = obj.status.condition(ConditionType.READY)
    goes_on = isinstance(wait, act.Await) or (state.edited and not verdict.stalled)
    if goes_on and not obj.was_ready:
        return Verdict(synced=synced, reconciling=True, reason=reason, message=message)
    if isinstance(wait, act.Await) and told is not None:
        verdict = Verdict(ready=True, reason=told.reason, message=told.message)
    if state.edited:
        return verdict
    return msgspec.structs.replace(verdict, synced=None, unheard=(reason, message))


def _refused(state: State, wait: act.Wait) -> bool:
    """Whether the spec or a call of ours was refused: AWS has spoken, or need not be asked."""
    trouble = state.memory.trouble
    if isinstance(wait, act.Reject):
        return True
    return (
        isinstance(wait, act.Blocked)
        and wait.stalled
        and trouble is not None
        and trouble.reason == wait.reason
    )
