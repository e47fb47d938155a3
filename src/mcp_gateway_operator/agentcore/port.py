"""What the operator needs of the AgentCore control plane, whoever provides it.

The boto3 adapter implements it for AWS; tests implement it over the simulator's engine in virtual time.
Every method raises `AgentCoreError` (see `errors`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from mcp_gateway_operator.targets.shape import Target, TargetStatus, TargetSummary

Fence = Callable[[], bool]
"""True while this process may write. Asked in the adapter immediately before a mutating request is sent."""


OnCall = Callable[[str, str, float, str], None]
"""Is told of each call: the client method's name, AWS's error code or OK, the seconds it took, and AWS's
id of the request, "" when it did not answer."""


class ListPage(msgspec.Struct, frozen=True):
    """One page of ListGatewayTargets; `next_token` is None on the last page."""

    items: tuple[TargetSummary, ...]
    next_token: str | None


class GatewayPage(msgspec.Struct, frozen=True):
    """One page of ListGateways; `next_token` is None on the last page."""

    gateway_ids: tuple[str, ...]
    next_token: str | None


class Gateway(msgspec.Struct, frozen=True):
    """A gateway: its status word, where agents reach it, and how it authenticates them."""

    status: str
    url: str = ""
    authorizer_type: str = ""


class CallerIdentity(msgspec.Struct, frozen=True):
    """Whose credentials these are (STS GetCallerIdentity) and the Region calls go to."""

    account: str
    arn: str
    region: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """As whom, and in which Region, calls are made.

    Attributes:
        region: where they go.
        role_arn: of the role that is assumed; "" is the operator's own identity.
        external_id: that the role's trust policy asks for, "" for none.
        tags: of the session: exactly these.
    """

    region: str
    role_arn: str = ""
    external_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """What an MCPGateway says of the calls for its gateway.

    Attributes:
        holders: the names of all MCPGateways with this identity and account, which CloudTrail is to show.
        account: the only one in which the calls may act.
    """

    holders: tuple[str, ...]
    account: str
    identity: Identity


class Opened(NamedTuple):
    """A way to call AWS under an identity, and until when (seconds of the event loop's clock)."""

    port: AgentCore
    until: float


class Opener(Protocol):
    """Makes sessions."""

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session that CloudTrail shows under a name; one request to STS where there is a role.

        Raises:
            AgentCoreError: there is none.
        """


class AgentCore(Protocol):
    """The AgentCore control plane operations used here, one request each, no retries inside."""

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page (up to 1000) of the gateway's targets."""

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""

    async def create_target(
        self, gateway_id: str, request: Mapping[str, Any], *, client_token: str, fence: Fence
    ) -> Target:
        """Create a target; `request` holds everything but gatewayIdentifier and clientToken."""

    async def update_target(
        self, gateway_id: str, target_id: str, request: Mapping[str, Any], *, fence: Fence
    ) -> Target:
        """Replace a target's whole configuration; what `request` omits is cleared."""

    async def synchronize_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> Target:
        """Ask for the target's tools to be indexed again."""

    async def delete_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> TargetStatus:
        """Ask for deletion, which is asynchronous; return the status answered."""

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway; proves that it exists."""

    async def list_gateways(self, *, next_token: str | None = None) -> GatewayPage:
        """Return one page (up to 1000) of the gateways of the account and Region."""

    async def caller_identity(self) -> CallerIdentity:
        """Return whose credentials are used."""
