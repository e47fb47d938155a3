"""When AWS is asked to index a server's tools again: on request, and on a schedule.

AWS indexes tools when a target is created or updated and never notices by itself that a server has new ones.
It refuses to index targets with a static schema; those with DYNAMIC listing are listed at call time.
"""

from __future__ import annotations

from mcp_gateway_operator.api import names
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.state import Row, State
from mcp_gateway_operator.targets.waiting import attempt


def sync_tools(state: State, row: Row) -> act.Action | None:
    """Return the Synchronize that a READY target is due, or None."""
    request = new_request(state)
    due = next_sync(state)
    if not _indexed(state) or (not request and (due is None or state.now < due)):
        return None
    return attempt(
        state,
        act.Synchronize(
            gateway_id=row.gateway_id,
            target_id=row.summary.target_id,
            cause=act.Cause.REQUEST if request else act.Cause.SCHEDULE,
            request=request,
        ),
    )


def next_sync(state: State) -> float | None:
    """Return when the schedule asks for the next indexing, None where there is no schedule or no indexing."""
    return state.tools_due if _indexed(state) else None


def _indexed(state: State) -> bool:
    static = "mcpToolSchema" in state.want
    return not static and state.want.get("listingMode") != "DYNAMIC" and not state.sync_denied


def new_request(state: State) -> str:
    """Return the annotation's value when it was not acted upon yet, else "".

    Under an older CRD nothing could remember that it was, and each restart would index again.
    """
    served = state.settings.status_fields
    if served is not None and "lastSyncRequest" not in served:
        return ""
    value = state.obj.metadata.annotations.get(names.SYNC_ANNOTATION, "")
    return "" if value in {state.obj.status.last_sync_request, state.memory.synced_request} else value
