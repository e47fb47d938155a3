"""Which IAM actions a call needs, and the refusal when one of them is denied. Policies are not evaluated."""

from __future__ import annotations

from typing import Any

from agentcore_simulator.errors import denied
from agentcore_simulator.plane import ControlPlane
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
        actions += _provider_actions(plane, operation, params)
    # An ARN instead of an id fails as it does at AWS: authorization sees a resource nobody was granted.
    refused = actions[0] if identifier.startswith("arn:") else None
    for action in actions:
        if action in settings.denied_actions or "*" in settings.denied_actions:
            refused = refused or action
    if refused is None:
        return
    resource = arn("bedrock-agentcore", caller.region, caller.account, f"gateway/{identifier or '*'}")
    action = f"bedrock-agentcore:{refused}"
    raise denied(
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def _provider_actions(plane: ControlPlane, operation: str, params: dict[str, Any]) -> tuple[str, ...]:
    """What the developer guide, unlike the IAM reference, asks of whoever makes the gateway connect."""
    match operation, params:
        case "SynchronizeGatewayTargets", {"targetIdList": [str(target_id)]} if target_id in plane.targets:
            written = plane.targets[target_id].configuration()
        case _ if operation in _TARGET_WRITES:
            written = params
        case _:
            return ()
    match written.get("credentialProviderConfigurations"):
        case [{"credentialProviderType": str(kind)}, *_]:
            return _PROVIDER_ACTIONS.get(kind, ())
    return ()
