"""The condition Authorized: has a person consented? Only on objects with the authorization code grant."""

from __future__ import annotations

from typing import Final

from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import AuthType, MCPServerSpec
from mcp_gateway_operator.targets.known import State
from mcp_gateway_operator.targets.shape import FAILED, PENDING_AUTH

_WORDS: Final = {
    "waiting": "A person must open the address in status.authorizationUrl and consent.",
    "expired": "No consent was given in time.",
    "given": "AWS could index the tools: consent was given, or none was needed.",
}


def asks(spec: MCPServerSpec) -> bool:
    """Whether the spec names the grant for which a person consents."""
    oauth = spec.auth_type in {"", AuthType.OAUTH2}
    return oauth and spec.oauth_grant_type == "AUTHORIZATION_CODE"


def authorized(state: State) -> tuple[bool, str, str] | None:
    """Return status, reason and message of the condition, None when it stays as it is.

    What is in progress, and what failed for another reason, says nothing of a consent.
    """
    row = state.recorded
    if row is None or not row.settled:
        return None
    status = row.summary.status
    if status in PENDING_AUTH:
        return False, Reason.PENDING_AUTHORIZATION, _WORDS["waiting"]
    if status in FAILED and _was_waiting(state):
        return False, Reason.PENDING_AUTHORIZATION, _WORDS["expired"]
    if row.ready and not state.edited:
        return True, Reason.AUTHORIZED, _WORDS["given"]
    return None


def _was_waiting(state: State) -> bool:
    before = state.obj.status.condition(ConditionType.AUTHORIZED)
    return before is not None and before.status == "False"
