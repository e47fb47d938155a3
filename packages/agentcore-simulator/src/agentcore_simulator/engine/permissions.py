"""Which IAM actions a call needs, and the refusal when one of them is denied. Policies are not evaluated.

What is denied stands in the settings for everybody, and in a role for its sessions.
"""

from __future__ import annotations

from typing import Any

from agentcore_simulator.engine.temporary_keys import KEY_PREFIX
from agentcore_simulator.errors import ServiceError, denied
from agentcore_simulator.plane import ControlPlane, Role, Target, Verdict
from agentcore_simulator.protocol import Caller, arn

_TARGET_WRITES = frozenset({"CreateGatewayTarget", "UpdateGatewayTarget"})
_PROVIDER_ACTIONS = {
    "OAUTH": ("GetWorkloadAccessToken", "GetResourceOauth2Token"),
    "API_KEY": ("GetWorkloadAccessToken", "GetResourceApiKey"),
}


def authorize(plane: ControlPlane, operation: str, caller: Caller, params: dict[str, Any]) -> None:
    """Check a call against the denied actions. `params` are the members as sent, not validated yet.

    Raises:
        ServiceError: AccessDeniedException naming the first action that is denied.
    """
    settings = plane.settings
    identifier = str(params.get("gatewayIdentifier", ""))
    actions = [operation]
    if operation in _TARGET_WRITES and settings.switches.sync_permission_on_write:
        actions.append("SynchronizeGatewayTargets")
    if settings.switches.provider_permissions:
        actions += _provider_actions(plane, operation, caller, params)
    # An ARN instead of an id fails as it does at AWS: authorization sees a resource nobody was granted.
    refused = actions[0] if identifier.startswith("arn:") else None
    why: Verdict = "not allowed"
    for action in actions:
        if refused is None and (action in settings.denied_actions or "*" in settings.denied_actions):
            refused = action
        if refused is None and caller.session is not None:
            why = verdict_of(plane, caller, f"bedrock-agentcore:{action}")
            refused = None if why == "allowed" else action
    if refused is None:
        return
    resource = arn("bedrock-agentcore", caller.region, caller.account, f"gateway/{identifier or '*'}")
    action = f"bedrock-agentcore:{refused}"
    reason = (
        "with an explicit deny in an identity-based policy"
        if why == "denied"
        else f"because no identity-based policy allows the {action} action"
    )
    raise denied(
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {reason}"
    )


def verdict_of(plane: ControlPlane, caller: Caller, action: str) -> Verdict:
    """What the role of the caller's session says of an action; users, and roles nobody made, may do all."""
    role = role_of(plane, caller)
    return "allowed" if role is None else role.verdict(action)


def role_of(plane: ControlPlane, caller: Caller) -> Role | None:
    """The role whose session calls, if somebody made that role."""
    session = caller.session
    return None if session is None else plane.roles.get(session.account, session.role_name)


def check_session(plane: ControlPlane, caller: Caller, service: str, now: float) -> None:
    """Refuse credentials that have expired, that are not known, or whose role is gone.

    A role of the same name is another one. `service` is the one that is called: each has its own codes.

    Raises:
        ServiceError: ExpiredTokenException or UnrecognizedClientException; from STS, ExpiredToken or
            InvalidClientTokenId.
    """
    session = caller.session
    if plane.settings.expired_credentials or (session is not None and session.expires <= now):
        code = "ExpiredToken" if service == "sts" else "ExpiredTokenException"
        raise ServiceError(code, "The security token included in the request is expired", status=403)
    if session is None:
        known = not caller.access_key.startswith(KEY_PREFIX)
    else:
        role = role_of(plane, caller)
        known = not session.role_id or (role is not None and role.id == session.role_id)
    if not known:
        code = "InvalidClientTokenId" if service == "sts" else "UnrecognizedClientException"
        raise ServiceError(code, "The security token included in the request is invalid.", status=403)


def _provider_actions(
    plane: ControlPlane, operation: str, caller: Caller, params: dict[str, Any]
) -> tuple[str, ...]:
    """What the developer guide, unlike the IAM reference, asks of whoever makes the gateway connect."""
    match operation, params:
        case "SynchronizeGatewayTargets", {
            "targetIdList": [str(target_id)],
            "gatewayIdentifier": str(gateway),
        }:
            target = _target(plane, caller, gateway, target_id)
            written = target.configuration() if target is not None else {}
        case _ if operation in _TARGET_WRITES:
            written = params
        case _:
            return ()
    match written.get("credentialProviderConfigurations"):
        case [{"credentialProviderType": str(kind)}, *_]:
            return _PROVIDER_ACTIONS.get(kind, ())
    return ()


def _target(plane: ControlPlane, caller: Caller, gateway_id: str, target_id: str) -> Target | None:
    home = plane.regions.get((caller.account, caller.region))
    gateway = home.gateways.get(gateway_id) if home else None
    return gateway.targets.get(target_id) if gateway else None
