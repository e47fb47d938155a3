"""Targets that a person must consent to: what is shown, what renews a consent, and what must not."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Address, Consent, Row, State
from mcp_gateway_operator.targets.rules.failure_reasons import quoted
from mcp_gateway_operator.targets.rules.retries import attempt, read
from mcp_gateway_operator.targets.rules.tool_sync import new_request
from mcp_gateway_operator.targets.shape import PENDING_AUTH, instant

WINDOW = timedelta(minutes=10)
"""How long AWS keeps an authorization URL open (AgentCore gateway guide)."""
LIST_EVERY = 10.0
"""Seconds between two Lists of a gateway on which a person is being waited for, while the address is new."""
ASK_AGAIN = 600.0
"""Seconds after which AWS is asked again for what it refused because of a missing consent."""


def asks_person(state: State) -> bool:
    """Whether AWS asks a person for consent when it indexes this target's tools.

    A static schema needs no indexing, so nobody is asked (AgentCore gateway guide, authorization code grant).
    """
    return bool(state.want) and uses_grant(state.obj.spec) and "mcpToolSchema" not in state.want


def uses_grant(spec: MCPServerSpec) -> bool:
    """Whether the spec names the grant for which a person consents."""
    oauth = spec.auth_type in {"", AuthType.OAUTH2}
    return oauth and spec.oauth_grant_type == "AUTHORIZATION_CODE"


def follow_consent(state: State, row: Row, wall: datetime) -> Consent:
    """Return which address status is to show, and since when a person is waited for.

    AWS may answer another address to each Get, so one is kept until it runs out. What status shows counts
    after a restart, unless this process has seen the target settle without consent in between.

    Args:
        state: what is known.
        row: the target, settled.
        wall: UTC now.
    """
    consent, details, status = state.memory.consent, state.memory.details, state.obj.status
    if row.summary.status not in PENDING_AUTH:
        return Consent(settled_at=state.now, ends=consent.ends)
    shown, since = consent.shown, consent.since
    if since is None:
        since = state.now
        stored = status.authorization_url and status.authorization_expires
        if consent.settled_at is None:
            expires = status.authorization_expires
            shown = Address(url=status.authorization_url, expires=instant(expires)) if stored else None
    if details is not None and details.fingerprint == row.fingerprint and (url := details.authorization_url):
        read_at = wall - timedelta(seconds=state.now - details.read_at)
        if shown is None:
            shown = Address(url=url, expires=_asked(state, row, wall) + WINDOW)
        elif shown.expires <= wall and shown.url != url:
            shown = Address(url=url, expires=read_at + WINDOW)
    ends = consent.ends if shown is None else state.now + (shown.expires - wall).total_seconds()
    return Consent(shown=shown, since=since, ends=ends, settled_at=consent.settled_at)


def _asked(state: State, row: Row, wall: datetime) -> datetime:
    """Return when AWS began to ask: at `updatedAt`, which a Synchronize need not move."""
    asked = instant(row.summary.updated_at)
    settled_at = state.memory.consent.settled_at
    if settled_at is not None and asked < wall - timedelta(seconds=state.now - settled_at):
        return wall
    return min(asked, wall)


def renew(state: State, row: Row) -> act.Synchronize | act.Await | act.Blocked:
    """Return what becomes of a consent that ran out: nothing by itself, or AWS would ask without end.

    It is asked for again on the annotation, and for a spec that status does not speak of yet.
    """
    request = new_request(state)
    indexed = state.memory.indexing.generation == state.obj.metadata.generation
    anew = not indexed and not state.obj.speaks_of_generation
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
        place=row.place,
        target_id=row.summary.target_id,
        cause=act.Cause.REQUEST,
        request=request,
    )


def pending(state: State, row: Row) -> act.Step | act.Wait | None:
    """Waiting for a person's consent is a settled state, not a failure.

    An edit goes before it once: whether AWS takes one in this state is not certain, and when it does not the
    newest spec is sent as soon as the state ends.
    """
    if not state.edited:
        return unchanged(state, row)
    if not refused(state, row):
        return None
    return read_details(state, row) or wait(
        state, row, "The change is sent once consent is given or expires."
    )


def unchanged(state: State, row: Row) -> act.Step | act.Wait:
    """Wait for a person for a configuration that AWS holds already."""
    if (action := read_details(state, row)) is not None:
        return action
    if state.memory.consent.shown is None or state.now < state.memory.consent.ends:
        return wait(state, row, "Open the address in status.authorizationUrl.", synced=True)
    request = new_request(state)
    if request and not refused(state, row) and not state.sync_denied:
        return attempt(state, _ask(row, request))
    return wait(
        state,
        row,
        f"The address in status.authorizationUrl has expired. {_advice(state)}",
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
    due = (state.view(row.place).listed_at or 0.0) + LIST_EVERY
    since = memory.consent.since
    if since is not None and due < since + WINDOW.total_seconds() + LIST_EVERY:
        if state.now < due:
            moments.append(due)
        else:
            list_since = due
    if memory.consent.shown is not None and state.now < memory.consent.ends:
        moments.append(memory.consent.ends)
    words = "AWS waits for consent"
    if refused(state, row) and trouble is not None:
        moments.append(trouble.at + ASK_AGAIN)
        words = trouble.message.rstrip(".")
    return act.Blocked(
        reason=Reason.PENDING_AUTHORIZATION,
        message=f"{words}. {advice}",
        synced=synced,
        stalled=stalled,
        place=row.place,
        until=min(moments, default=None),
        list_since=list_since,
    )


def read_details(state: State, row: Row) -> act.Read | act.Await | act.Blocked | None:
    """Return the Get that tells what no List does (reasons, authorization URL), None once it was made."""
    details = state.memory.details
    if details is not None and details.fingerprint == row.fingerprint:
        return None
    return read(state, row)
