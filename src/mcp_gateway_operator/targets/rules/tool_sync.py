"""When AWS is asked to index a server's tools again: on request, and on a schedule.

AWS indexes tools when a target is created or updated and never notices by itself that a server has new ones.
It refuses to index targets with a static schema; those with DYNAMIC listing are listed at call time.
"""

from __future__ import annotations

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.annotations import LONGEST, request_of
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Row, State
from mcp_gateway_operator.targets.rules.retries import attempt, earliest

DENIED_AGAIN = 3600.0
"""Seconds after which a denied request is looked at again: somebody may have allowed it."""
_DENIED = (
    "Its tools are not indexed again as the annotation asks: AWS denies SynchronizeGatewayTargets to the "
    "operator. Allow it in the operator's IAM policy."
)


def sync_tools(state: State, row: Row) -> act.Synchronize | act.Decline | act.Await | act.Settled | None:
    """Return what a READY target is due: a Synchronize, the word that there is none, the wait, or None.

    What keeps AWS from indexing takes nothing from a target that is READY.
    """
    request = new_request(state)
    due = next_sync(state)
    if request and (why := _needless(state)):
        return act.Decline(request=request, message=why)
    if request and state.sync_denied:
        return act.Settled(
            until=earliest(state.memory.held.next_sweep, state.now + DENIED_AGAIN), note=_DENIED
        )
    if not indexed(state) or (not request and (due is None or state.now < due)):
        return None
    action = attempt(
        state,
        act.Synchronize(
            place=row.place,
            target_id=row.summary.target_id,
            cause=act.Cause.REQUEST if request else act.Cause.SCHEDULE,
            request=request,
        ),
    )
    if not isinstance(action, act.Blocked):
        return action
    return act.Settled(
        until=earliest(state.memory.held.next_sweep, action.until),
        note=f"Its tools are not indexed again yet: {action.message}",
        held=True,
    )


def next_sync(state: State) -> float | None:
    """Return when the schedule asks for the next indexing, None where there is no schedule or no indexing."""
    return state.tools_due if indexed(state) else None


def indexed(state: State) -> bool:
    """Return whether AWS indexes this target's tools, and lets us ask for it."""
    return not _needless(state) and not state.sync_denied and state.ruling.frozen is None


def _needless(state: State) -> str:
    """Return why AWS indexes no tools of this target, "" where it does."""
    if "mcpToolSchema" in state.want:
        return "spec.mcpToolSchema names the tools, so AWS indexes none: change it to change them."
    if state.want.get("listingMode") == "DYNAMIC":
        return "listingMode is DYNAMIC: AWS asks the server for its tools at each call, and indexes none."
    return ""


def new_request(state: State) -> str:
    """Return the annotation's value when it was not acted upon yet, else "".

    Under an older CRD nothing could remember that it was, and each restart would index again.
    """
    served = state.settings.status_fields
    if served is not None and "lastSyncRequest" not in served:
        return ""
    # Status repeats it, where nothing of others stands unescaped; older versions stored it as it was.
    value = request_of(state.obj.metadata.annotations, names.SYNC_ANNOTATION)
    before = shown(state.obj.status.last_sync_request, LONGEST)
    return "" if value in {before, state.own.synced_request} else value
