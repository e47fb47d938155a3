"""From the service's answers to the types of `targets.model`.

A member that the service model requires and the answer lacks is a KeyError, a member of another type a
TypeError: the adapter reports both as an answer that could not be read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from mcp_gateway_operator.agentcore.port import ListPage
from mcp_gateway_operator.targets.model import Target, TargetSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG: Final = (
    "targetConfiguration",
    "credentialProviderConfigurations",
    "metadataConfiguration",
    "privateEndpoint",
    "certificateConfigurations",
)


def page(answer: Mapping[str, Any]) -> ListPage:
    """Return a page of ListGatewayTargets."""
    return ListPage(tuple(_summary(item, item) for item in answer["items"]), answer.get("nextToken") or None)


def target(answer: Mapping[str, Any]) -> Target:
    """Return the full target that Get, Create and Update answer."""
    configuration = answer.get("targetConfiguration") or {}
    server = (configuration.get("mcp") or {}).get("mcpServer") or {}
    oauth = (answer.get("authorizationData") or {}).get("oauth2") or {}
    return Target(
        summary=_summary(answer, server),
        gateway_arn=answer["gatewayArn"],
        status_reasons=tuple(answer.get("statusReasons") or ()),
        config={key: answer[key] for key in _CONFIG if key in answer},
        authorization_url=oauth.get("authorizationUrl"),
    )


def synchronized(answer: Mapping[str, Any]) -> Target:
    """Return the target that SynchronizeGatewayTargets, asked for one, answers."""
    (only,) = answer["targets"]
    return target(only)


def status(answer: Mapping[str, Any]) -> str:
    """Return the status of an answer that is asked for nothing else."""
    return str(answer["status"])


def _summary(answer: Mapping[str, Any], listing: Mapping[str, Any]) -> TargetSummary:
    """Build a summary; `listing` is where listingMode and resourcePriority stand in this answer."""
    mode = listing.get("listingMode")
    return TargetSummary(
        target_id=answer["targetId"],
        name=answer["name"],
        # A fleet has few different words here: each is kept once.
        status=sys.intern(answer["status"]),
        created_at=answer["createdAt"],
        updated_at=answer["updatedAt"],
        description=answer.get("description"),
        resource_priority=listing.get("resourcePriority"),
        listing_mode=sys.intern(mode) if mode else None,
        last_synchronized_at=answer.get("lastSynchronizedAt"),
    )
