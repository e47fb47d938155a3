"""Targets that a person must consent to: what renews a consent, and what must not."""

from __future__ import annotations

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.model import PENDING_AUTH
from mcp_gateway_operator.targets.state import Row, State
from mcp_gateway_operator.targets.tools import new_request
from mcp_gateway_operator.targets.waiting import attempt


def asks_person(state: State) -> bool:
    """Whether AWS asks a person for consent when it indexes this target's tools.

    A static schema needs no indexing, so nobody is asked (AgentCore gateway guide, authorization code grant).
    """
    consent = state.want.get("oauthGrantType") == "AUTHORIZATION_CODE"
    return consent and "mcpToolSchema" not in state.want


def renew(state: State, row: Row) -> act.Action:
    """Return what becomes of a consent that ran out: nothing by itself, or AWS would ask without end."""
    request = new_request(state)
    if request and not state.sync_denied:
        target_id = row.summary.target_id
        return attempt(
            state,
            act.Synchronize(
                gateway_id=row.gateway_id, target_id=target_id, cause=act.Cause.REQUEST, request=request
            ),
        )
    details = state.memory.details
    words = "; ".join(details.reasons) if details and details.reasons else "AWS gave no reason"
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=(
            f"{row.summary.status}: {words.rstrip('.')}. No consent was given in time, or the server "
            f"refused. Set the annotation {names.SYNC_ANNOTATION} to a new value for a new address in "
            "status.authorizationUrl."
        ),
        stalled=True,
        synced=True,
    )


def pending(state: State, row: Row) -> act.Action | None:
    """Waiting for a person's consent is a settled state, not a failure; only an edit goes before it."""
    if row.summary.status not in PENDING_AUTH or state.edited:
        return None
    if (action := read_details(state, row)) is not None:
        return action
    return act.Blocked(
        reason=Reason.PENDING_AUTHORIZATION,
        message="AWS waits for consent: open the address in status.authorizationUrl.",
        synced=True,
        gateway_id=row.gateway_id,
        busy=True,
    )


def read_details(state: State, row: Row) -> act.Action | None:
    """Return the Get that tells what no List does (reasons, authorization URL), None once it was made."""
    details = state.memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        return None
    return attempt(state, act.Read(gateway_id=row.gateway_id, target_id=row.summary.target_id))
