"""How these commands read from AWS: as the caller, at half the rate that it allows, wherever a gateway is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeVar

from mcp_gateway_operator.agentcore.accounts import session_name
from mcp_gateway_operator.agentcore.port import CallerIdentity, Gateway, Identity, ListPage, Opened, Opener
from mcp_gateway_operator.api.mcpgateway import AwsIdentity, MCPGateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.cli.fleet.fast_forward import outside
from mcp_gateway_operator.cli.fleet.whereabouts import Where, class_at
from mcp_gateway_operator.controller.classes import acts_elsewhere, identity_at
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import Target, account_and_region, bare

T = TypeVar("T")

CALLS_A_SECOND: Final = 5.0
"""Half of what AWS allows: the other half is the operator's."""
AT_A_TIME: Final = 4
_RENEW: Final = "renew your AWS credentials, as with `aws sso login`, and run this again"
_CHECK: Final = (
    "check your AWS credentials, and that the Region is enabled for their account, and run this again"
)
_ADVICE: Final = {
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "InvalidClientTokenId": _CHECK,
    "UnrecognizedClientException": _CHECK,
}
"""What to do where AWS does not take the caller's credentials, by its error code.

A key that AWS does not know is mistyped, deleted, or of an account that has yet to enable the Region.
"""
NOT_READ: Final = "NotRead"
"""The code of what the caller's own credentials do not reach, and that he has not asked for otherwise."""


class ReadOnly(Protocol):
    """The part of the AgentCore port that changes nothing: all that these commands have of AWS."""

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page (up to 1000) of the gateway's targets."""

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway."""

    async def caller_identity(self) -> CallerIdentity:
        """Return whose credentials are used."""


class _Pace:
    """Whose turn it is, for all accounts together."""

    def __init__(self, rate: float, on_call: Callable[[], None]) -> None:
        self._apart = 1.0 / rate
        self._next = 0.0
        self._on_call = on_call
        self.gate = asyncio.Semaphore(AT_A_TIME)

    async def turn(self) -> None:
        self._on_call()
        now = time.monotonic()
        self._next = max(self._next, now) + self._apart
        if (wait := self._next - self._apart - now) > 0:
            with outside():
                await asyncio.to_thread(time.sleep, wait)


class Paced:
    """Reads from AWS at half the rate that it allows, and counts the calls.

    Args:
        port: where to, as the caller, in his own account and Region.
        opener: makes sessions in other Regions, and of roles.
        rate: calls a second.
        on_call: told of each call, before it is made.
    """

    def __init__(
        self,
        port: ReadOnly,
        *,
        opener: Opener,
        rate: float = CALLS_A_SECOND,
        on_call: Callable[[], None] = lambda: None,
    ) -> None:
        self._port = port
        self._opener = opener
        self._pace = _Pace(rate, on_call)

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page of the gateway's targets."""
        return await self._paced(lambda: self._port.list_targets(gateway_id, next_token=next_token))

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""
        return await self._paced(lambda: self._port.get_target(gateway_id, target_id))

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway."""
        return await self._paced(lambda: self._port.get_gateway(gateway_id))

    async def caller_identity(self) -> CallerIdentity:
        """Return whose credentials are used."""
        with outside():
            return await _advised(self._port.caller_identity())

    async def under(self, identity: Identity, name: str) -> Paced:
        """Return the same under another identity, in the same pace.

        Args:
            identity: as whom, and in which Region.
            name: of the session, for CloudTrail.

        Raises:
            AgentCoreError: there is no session.
        """
        with outside():
            opened = await _advised(self._opener.open(identity, name=name))
        other = Paced(opened.port, opener=self._opener)
        other._pace = self._pace
        return other

    async def _paced(self, call: Callable[[], Awaitable[T]]) -> T:
        async with self._pace.gate:
            await self._pace.turn()
            with outside():
                return await _advised(call())


async def _advised(call: Awaitable[T]) -> T:
    """Return what a call comes to; where AWS does not take the caller's credentials, say what to do."""
    try:
        return await call
    except AgentCoreError as error:
        if (advice := _ADVICE.get(error.code)) is None:
            raise
        words = f"{error.message.rstrip('.')}: {advice}" if error.message else advice
        raise AgentCoreError(
            error.kind,
            error.code,
            words,
            maybe_applied=error.maybe_applied,
            retry_after=error.retry_after,
            unsent=error.unsent,
        ) from error


class AsCaller:
    """Makes sessions with the caller's own credentials, in any Region; of roles where he asks for them.

    Args:
        own: says who he is.
        opener: makes them.
        assume: roles are assumed. Without, only what is in the caller's own account is reached.
    """

    def __init__(self, own: ReadOnly, opener: Opener, *, assume: bool) -> None:
        self._own = own
        self._opener = opener
        self._assume = assume

    async def open(self, identity: Identity, *, name: str) -> Opened:
        """Return a session; without a word to STS where it is not asked for.

        Raises:
            AgentCoreError: there is none.
        """
        if identity.role_arn and not self._assume:
            account = account_and_region(identity.role_arn)[0]
            caller = await self._own.caller_identity()
            if caller.account != account:
                raise _not_read(
                    f"it is in account {account}, and your credentials are of account {caller.account}. Use "
                    "credentials of that account, or let --assume-class-roles assume the role of its "
                    "MCPGateway, which must trust you"
                )
            identity = Identity(region=identity.region)
        return await self._opener.open(identity, name=name)


class Everywhere:
    """Reads gateways wherever they are: given by id in the caller's own account and Region, else by ARN.

    Each is read in its own account alone: AWS is asked whose a session is before it is used.

    Args:
        own: as the caller.
        home: the caller's account and Region, None where AWS does not say.
        classes: the MCPGateways, which name roles.
    """

    def __init__(self, own: Paced, home: Where | None, classes: Iterable[MCPGateway]) -> None:
        self._own = own
        self.home = home
        self._classes: dict[str, MCPGateway] = {}
        for each in sorted(classes, key=lambda each: each.age):
            self._classes.setdefault(class_at(each, home), each)
        self._ports: dict[Identity, Paced | AgentCoreError] = {}

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page of the gateway's targets."""
        port = await self._port(gateway_id)
        return await port.list_targets(bare(gateway_id), next_token=next_token)

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""
        port = await self._port(gateway_id)
        return await port.get_target(bare(gateway_id), target_id)

    async def caller_identity(self) -> CallerIdentity:
        """Return whose the caller's own credentials are."""
        return await self._own.caller_identity()

    async def _port(self, gateway_id: str) -> Paced:
        class_ = self._classes.get(gateway_id)
        arn = class_.arn if class_ is not None else GatewayArn.parse(gateway_id)
        if arn is None:
            return self._own
        identity = self._identity(arn, class_)
        if not identity.role_arn and ":" not in gateway_id:
            return self._own
        found = self._ports.get(identity)
        if found is None:
            name = session_name((class_.name,) if class_ is not None else ())
            found = self._ports[identity] = await self._open(arn, identity, name)
        if isinstance(found, AgentCoreError):
            raise found
        return found

    def _identity(self, arn: GatewayArn, class_: MCPGateway | None) -> Identity:
        aws = (class_.spec.aws if class_ is not None else None) or AwsIdentity()
        if class_ is not None and acts_elsewhere(class_):
            raise _not_read(
                f"the role of MCPGateway {class_.name} does not belong to the gateway's account: correct it"
            )
        if aws.role_arn:
            return identity_at(arn, aws)
        if self.home is None:
            raise _not_read("AWS does not say in which account and Region your credentials act")
        if self.home[0] != arn.account:
            raise _not_read(
                f"it is in account {arn.account}, and your credentials are of account {self.home[0]}: use "
                "credentials of that account"
            )
        return Identity(region=arn.region)

    async def _open(self, arn: GatewayArn, identity: Identity, name: str) -> Paced | AgentCoreError:
        try:
            port = await self._own.under(identity, name)
            acts = await port.caller_identity()
        except AgentCoreError as error:
            return error
        if (acts.account, acts.region) != (arn.account, arn.region):
            return _not_read(
                f"it is in account {arn.account} and Region {arn.region}, and the session acts in account "
                f"{acts.account} and Region {acts.region}"
            )
        return port


def _not_read(why: str) -> AgentCoreError:
    return AgentCoreError(ErrorKind.TRANSIENT, NOT_READ, why)
