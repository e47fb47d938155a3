"""Targets that a person must consent to: what is shown, what renews a consent, and what must not."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Consent, Row, State
from mcp_gateway_operator.targets.rules.failures import quoted
from mcp_gateway_operator.targets.rules.not_yet import attempt, read
from mcp_gateway_operator.targets.rules.tool_sync import new_request
from mcp_gateway_operator.targets.shape import PENDING_AUTH, instant

WINDOW = timedelta(minutes=10)
"""How long AWS keeps an authorization URL open (AgentCore gateway guide)."""
LOOK_EVERY = 10.0
"""Seconds between two Lists of a gateway on which a person is being waited for, while the address is new."""
ASK_AGAIN = 600.0
"""Seconds after which AWS is asked again for what it refused because of a missing consent."""


def asks_person(state: State) -> bool:
    """Whether AWS asks a person for consent when it indexes this target's tools.

    A static schema needs no indexing, so nobody is asked (AgentCore gateway guide, authorization code grant).
    """
    consent = state.want.get("oauthGrantType") == "AUTHORIZATION_CODE"
    return consent and "mcpToolSchema" not in state.want


def follow_consent(state: State, wall: datetime) -> None:
    """Keep in memory which address status shows, and since when a person is waited for.

    AWS may answer another address to each Get, so one is kept until it runs out. What status shows counts
    after a restart, unless this process has seen the target settle without consent in between.
    """
    memory, row = state.memory, state.recorded
    if row is None or not row.settled:
        return
    if row.summary.status not in PENDING_AUTH:
        memory.consent = memory.consent_since = None
        memory.rested_at = state.now
        return
    if memory.consent_since is None:
        memory.consent_since = state.now
        if memory.rested_at is None:
            memory.consent = _stored(state)
    shown, details = memory.consent, memory.details
    if details is not None and details.fingerprint == row.fingerprint and (url := details.authorization_url):
        read = wall - timedelta(seconds=state.now - details.read_at)
        if shown is None:
            shown = memory.consent = Consent(url=url, expires=_asked(state, row, wall) + WINDOW)
        elif shown.expires <= wall and shown.url != url:
            shown = memory.consent = Consent(url=url, expires=read + WINDOW)
    if shown is not None:
        memory.consent_ends = state.now + (shown.expires - wall).total_seconds()
        if state.now < memory.consent_ends and (request := new_request(state)):
            # The address asked for is there. Left open, the request would undo the consent once it is given.
            memory.synced_request = request


def _stored(state: State) -> Consent | None:
    status = state.obj.status
    if not status.authorization_url or not status.authorization_expires:
        return None
    return Consent(url=status.authorization_url, expires=instant(status.authorization_expires))


def _asked(state: State, row: Row, wall: datetime) -> datetime:
    """Return when AWS began to ask: at `updatedAt`, which a Synchronize need not move."""
    asked = instant(row.summary.updated_at)
    rested = state.memory.rested_at
    if rested is not None and asked < wall - timedelta(seconds=state.now - rested):
        return wall
    return min(asked, wall)


def renew(state: State, row: Row) -> act.Action:
    """Return what becomes of a consent that ran out: nothing by itself, or AWS would ask without end.

    It is asked for again on the annotation, and for a spec that status does not speak of yet.
    """
    request = new_request(state)
    generation = state.obj.metadata.generation
    anew = generation not in (state.obj.status.observed_generation, state.memory.indexed_for)
    if (request or anew) and not state.sync_denied:
        return attempt(state, _ask(row, request))
    words = quoted(state.memory.reasons)
    return act.Blocked(
        reason=Reason.TARGET_FAILED,
        message=(
            f"{row.summary.status}: {words}. No consent was given in time, or the server "
            f"refused. {_advice(state)}"
        ),
        stalled=True,
        synced=True,
    )


def _advice(state: State) -> str:
    """Return how a new address is to be had."""
    annotate = f"et the annotation {names.SYNC_ANNOTATION} to a new value for a new address."
    if not state.sync_denied:
        return f"S{annotate}"
    permission = "bedrock-agentcore:SynchronizeGatewayTargets"
    return f"Allow {permission} in the operator's IAM policy, then s{annotate}"


def _ask(row: Row, request: str) -> act.Synchronize:
    return act.Synchronize(
        gateway_id=row.gateway_id,
        target_id=row.summary.target_id,
        cause=act.Cause.REQUEST,
        request=request,
    )


def pending(state: State, row: Row) -> act.Action | None:
    """Waiting for a person's consent is a settled state, not a failure.

    An edit goes before it once: whether AWS takes one in this state is not certain, and when it does not the
    newest spec is sent as soon as the state ends.
    """
    if row.summary.status not in PENDING_AUTH:
        return None
    if not state.edited:
        return unchanged(state, row)
    if not refused(state, row):
        return None
    return read_details(state, row) or wait(
        state, row, "The change is sent when the consent was given or has run out."
    )


def unchanged(state: State, row: Row) -> act.Action | None:
    """Wait for a person for a configuration that AWS holds already."""
    if row.summary.status not in PENDING_AUTH:
        return None
    if (action := read_details(state, row)) is not None:
        return action
    if state.memory.consent is None or state.now < state.memory.consent_ends:
        return wait(state, row, "Open the address in status.authorizationUrl.", synced=True)
    request = new_request(state)
    if request and not refused(state, row) and not state.sync_denied:
        return attempt(state, _ask(row, request))
    return wait(
        state,
        row,
        f"The address in status.authorizationUrl has run out. {_advice(state)}",
        synced=True,
        stalled=True,
    )


def refused(state: State, row: Row) -> bool:
    """Whether AWS refused a write of this generation because it waits for consent, in this very state."""
    trouble = state.memory.trouble
    return (
        trouble is not None
        and trouble.awaits_consent == row.summary.status
        and trouble.generation == state.obj.metadata.generation
        and state.now < trouble.at + ASK_AGAIN
    )


def wait(state: State, row: Row, advice: str, *, synced: bool = False, stalled: bool = False) -> act.Blocked:
    """Return the wait for a person: with a List every ten seconds at first, then only those for drift."""
    memory, trouble = state.memory, state.memory.trouble
    moments: list[float] = []
    list_since = None
    due = (state.view(row.gateway_id).listed_at or 0.0) + LOOK_EVERY
    since = memory.consent_since
    if since is not None and due < since + WINDOW.total_seconds() + LOOK_EVERY:
        if state.now < due:
            moments.append(due)
        else:
            list_since = due
    if memory.consent is not None and state.now < memory.consent_ends:
        moments.append(memory.consent_ends)
    words = "AWS waits for consent"
    if refused(state, row) and trouble is not None:
        moments.append(trouble.at + ASK_AGAIN)
        words = trouble.message.rstrip(".")
    return act.Blocked(
        reason=Reason.PENDING_AUTHORIZATION,
        message=f"{words}. {advice}",
        synced=synced,
        stalled=stalled,
        gateway_id=row.gateway_id,
        until=min(moments, default=None),
        list_since=list_since,
    )


def read_details(state: State, row: Row) -> act.Action | None:
    """Return the Get that tells what no List does (reasons, authorization URL), None once it was made."""
    details = state.memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        return None
    return read(state, row)
