"""The MCPGateways and the labels of namespaces as they are now, and which MCPGateway a place belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import structlog

from mcp_gateway_operator.agentcore.port import Identity, Mandate
from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.mcpgateway import AwsIdentity, MCPGateway
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.schema import Camel
from mcp_gateway_operator.runtime.cluster import NAMESPACES, Cluster, Resource
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.targets.known import NOWHERE, AgentCoreError, ErrorKind, Place
from mcp_gateway_operator.targets.shape import account_and_region, bare

MCPGATEWAYS: Final = Resource(names.GROUP, names.VERSION, names.CLASS_PLURAL, namespaced=False)
SETTLING: Final = 0.2
"""Seconds between two looks whether all is known for the first time."""
SEEING: Final = 5.0
"""Seconds between two looks whether what could not be seen can be, if something was held back for it."""
STALE_AFTER: Final = 300.0
"""Seconds without a watch after which what is known may be too old to permit anything."""
UNREADABLE_AFTER: Final = 60.0
"""Seconds of errors after which what has never been listed is taken to be unreadable."""
_UNREADABLE: Final = (
    "MCPGateways cannot be read: while any MCPServer names one, nothing is made or changed for any of them. "
)
_ALLOW: Final = "Allow the operator list and watch on mcpgateways.mcpgateway.bedrock.aws (the chart does)."
_NO_LIST: Final = "The API server does not list them: look at its log, and at the operator's."

log = structlog.get_logger(__name__)


class _NamespaceMeta(Camel, frozen=True, kw_only=True):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class _Namespace(Camel, frozen=True, kw_only=True):
    metadata: _NamespaceMeta


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the operator works by an MCPGateway; None while that is not known."""

    accepted: bool | None
    reason: str
    message: str


class Registry:
    """What is known of MCPGateways; nothing is asked for where the API server does not serve the kind.

    Attributes:
        on_class: called with (old, new) when an MCPGateway changes in what it says.
        on_settled: called once all is known for the first time, before which the others are not called, and
            again where something could not be seen in between.
        on_namespace: called with the name of a namespace whose labels change.
    """

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.identity: tuple[str, str] | None = None
        """The operator's own account and Region."""
        self._found = _Found()
        self._wanted = asyncio.Event()
        self._blinded = False
        self._said: bool | None = False
        self._heard = self._was_served = self._absent = self._come = False
        self.classes: Informer[MCPGateway] = Informer(
            cluster, MCPGATEWAYS, decode=decode_gateway, on_event=self._on_class
        )
        self.namespaces: Informer[_Namespace] = Informer(
            cluster,
            NAMESPACES,
            decode=msgspec.json.Decoder(_Namespace).decode,
            on_event=self._on_namespace,
        )
        self.on_class: Callable[[MCPGateway | None, MCPGateway | None], None] = lambda _old, _new: None
        self.on_settled: Callable[[], None] = lambda: None
        self.on_namespace: Callable[[str], None] = lambda _name: None

    async def run(self) -> None:
        """Keep MCPGateways and namespaces, once the kind is served, until cancelled."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.classes.run())
            tasks.create_task(self.namespaces.run())
            while not self.settled:  # noqa: ASYNC110  -- what is refused for want of rights sets no event
                await asyncio.sleep(SETTLING)
            self.on_settled()
            while True:
                seen = not self.blind()
                if self._blinded and seen:
                    self._blinded = False
                    self.on_settled()
                await asyncio.sleep(SEEING)

    def serve(self, served: bool | None) -> None:
        """Take note of whether the kind is served, None where discovery does not say.

        What it said before holds then. A kind that was served is gone only when its list says so, too: an API
        server that has just begun serves schemas without it.
        """
        if served is None and self._heard:
            return
        self._heard = served is not None
        self._said = served
        self._was_served = self._was_served or bool(served)
        if served is not False:
            self._wanted.set()

    @property
    def served(self) -> bool:
        """Whether there may be MCPGateways."""
        trouble, synced = self.classes.trouble, self.classes.synced.is_set()
        if trouble is not None and trouble.not_found:
            self._absent = True
        elif synced:
            self._absent = False
        # Otherwise the last word holds: an API server that is away says nothing else.
        if self._said or not self._wanted.is_set():
            return bool(self._said)
        never = self._said is False and not (self._was_served or synced)
        return not (never or self._absent)

    def identify(self, account: str, region: str) -> None:
        """Take note of whose credentials the operator's own are."""
        self.identity = (account, region)
        self._found = _Found()

    # -- how much is known --------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether decisions may begin: all is known, or known to be withheld."""
        if not self._wanted.is_set():
            return True
        # For good: an API server that is away afterwards takes nothing of what is known.
        self._come = self._come or (self._has_come(self.classes) and self._has_come(self.namespaces))
        return self._come

    def _has_come(self, informer: Informer[MCPGateway] | Informer[_Namespace]) -> bool:
        """Whether an informer has its first list, or is not allowed to have one, or there will be none."""
        trouble, since = informer.trouble, informer.failing_since
        if informer.synced.is_set():
            return True
        if trouble is not None and (trouble.forbidden or trouble.not_found):
            return True
        return since is not None and self._clock() >= since + UNREADABLE_AFTER

    def blind(self) -> str:
        """Return why MCPGateways may be others than is known here, "" where they are as known."""
        if not self.served:
            return ""
        if self.classes.synced.is_set():
            return self.stale()
        trouble = self.classes.trouble
        why = _UNREADABLE + (_ALLOW if trouble is not None and trouble.forbidden else _NO_LIST)
        if not self._blinded:
            log.warning(why)
        self._blinded = True
        return why

    def stale(self) -> str:
        """Return which watch has been away so long that all may be otherwise than is known here, else ""."""
        for informer, what in ((self.classes, "MCPGateways"), (self.namespaces, "namespaces")):
            since = informer.failing_since
            if informer.synced.is_set() and since is not None and self._clock() >= since + STALE_AFTER:
                self._blinded = True
                return f"The watch of {what} has been away for five minutes, so nothing is made or changed."
        return ""

    def labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, None where they cannot be read."""
        found = self.namespaces.get(("", namespace))
        return found.metadata.labels if found is not None else None

    # -- which there are ----------------------------------------------------------------------------------

    def all(self) -> tuple[MCPGateway, ...]:
        """Return every MCPGateway; none where the kind is not served any more."""
        return tuple(self.classes.values()) if self.served else ()

    def get(self, name: str) -> MCPGateway | None:
        """Return the MCPGateway of this name."""
        return self.classes.get(("", name)) if self.served else None

    def governor(self, gateway_id: str) -> MCPGateway | None:
        """Return the MCPGateway that governs a gateway, given by its id or its ARN as in `Place`."""
        if not self.served:
            return None
        for each in self._named(bare(gateway_id)):
            arn = each.arn
            if arn is None:
                continue
            here = self.identity in (None, (arn.account, arn.region))
            if each.spec.gateway_arn == gateway_id or (here and arn.gateway_id == gateway_id):
                return each
        return None

    def place_of(self, gateway_arn: str) -> Place:
        """Return where a gateway is, NOWHERE where the text is no ARN of one."""
        arn = GatewayArn.parse(gateway_arn)
        return Place.of(arn, self.identity) if arn is not None else NOWHERE

    def same(self, one: Place, other: Place) -> bool:
        """Whether two places are one, or may be: nothing moves onto itself.

        The operator's own gateways have ids and ARNs, and while nobody knows which those are, any of the id
        may be one.
        """
        if one == other or self.identity is not None:
            return one == other
        return one.bare == other.bare and ":" not in min(one.gateway_id, other.gateway_id, key=len)

    def mandate(self, gateway_id: str) -> Mandate | None:
        """Return under which identity a gateway is worked on, where that is not simply the operator's own.

        Raises:
            AgentCoreError: that cannot be said, so nothing is to be sent.
        """
        governor = self.governor(gateway_id)
        arn = governor.arn if governor is not None else None
        if governor is None or arn is None:
            return None
        aws = governor.spec.aws or AwsIdentity()
        if any("spec.aws" in each for each in governor.problems):
            raise _unsaid(f"spec.aws of MCPGateway {governor.name} is not understood")
        if acts_elsewhere(governor):
            raise _unsaid(f"The role of MCPGateway {governor.name} does not belong to the gateway's account")
        here = gateway_id == arn.gateway_id
        if here and not aws.role_arn:
            return None
        if here and self.identity is None:
            raise _unsaid("AWS has not said yet in which account and Region the operator itself is")
        identity = identity_at(arn, aws)
        holders = self._index.holders.get((arn.account, identity), (governor.name,))
        return Mandate(holders=holders, account=arn.account, identity=identity)

    def rivals(self, of: MCPGateway) -> tuple[MCPGateway, ...]:
        """Return the MCPGateways that name the same gateway, the one that has it first."""
        arn = of.arn
        same = self._named(arn.gateway_id) if arn is not None else []
        return tuple(each for each in same if each.spec.gateway_arn == of.spec.gateway_arn)

    def verdict(self, of: MCPGateway) -> Verdict:
        """Return whether the operator works by an MCPGateway."""
        verdicts = self._found.verdicts
        known = verdicts.get(of.name)
        if known is None or known[0] is not of:
            known = verdicts[of.name] = of, self._judge(of)
        return known[1]

    def _judge(self, of: MCPGateway) -> Verdict:
        arn, aws = of.arn, of.spec.aws
        if of.problems or arn is None:
            problems = "; ".join(of.problems) or "spec.gatewayArn is not the ARN of a gateway"
            return _no("Invalid", f"The spec is not understood, so it permits nothing: {problems}.")
        if aws is not None and not aws.role_arn and (aws.external_id or aws.session_tags):
            return _no(
                "Invalid",
                "spec.aws.externalId and sessionTags are for the session of a role: set spec.aws.roleArn.",
            )
        if acts_elsewhere(of):
            return _no(
                "WrongAccountOrRegion",
                f"The gateway is in account {arn.account}, and a role of another account does not act there: "
                "name a role of that account in spec.aws.roleArn.",
            )
        if self.identity is None:
            return Verdict(
                accepted=None,
                reason="IdentityUnknown",
                message="AWS has not said yet whose credentials the operator has (sts:GetCallerIdentity).",
            )
        if (aws is None or not aws.role_arn) and arn.account != self.identity[0]:
            return _no(
                "WrongAccountOrRegion",
                f"The gateway is in account {arn.account}, and the operator's own identity acts in account "
                f"{self.identity[0]}: name a role of the gateway's account in spec.aws.roleArn.",
            )
        # One that is gone by now has no rivals that would say so.
        first = next(iter(self.rivals(of)), of)
        if first.name != of.name:
            return _no("Conflict", f"MCPGateway {first.name} names the same gateway and came first.")
        return Verdict(accepted=True, reason="Accepted", message="The operator follows this MCPGateway.")

    # -- what changes -------------------------------------------------------------------------------------

    def _on_class(self, old: MCPGateway | None, new: MCPGateway | None) -> None:
        if old is not None and new is not None and _says(old) == _says(new):
            return
        self._found = _Found()
        if self.settled:
            self.on_class(old, new)

    def _on_namespace(self, old: _Namespace | None, new: _Namespace | None) -> None:
        same = old is not None and new is not None and old.metadata.labels == new.metadata.labels
        if same or not self.settled:
            return
        found = new or old
        assert found is not None
        self.on_namespace(found.metadata.name)

    @property
    def _index(self) -> _Index:
        """Which MCPGateways there are, found anew where one is asked for after a change: many may come."""
        found = self._found
        if found.index is None:
            found.index = _index_of(self.classes.values())
        return found.index

    def _named(self, gateway_id: str) -> list[MCPGateway]:
        """Return the MCPGateways of the gateways of an id, the one that came first before the others."""
        names_ = self._index.by_gateway.get(gateway_id, ())
        return [found for name in names_ if (found := self.classes.get(("", name))) is not None]


class _Found:
    """What was found of the MCPGateways that there are, until one changes.

    Replaced then, and never emptied: a thread that is finding something out keeps that here, of what was so
    before, where nobody asks any more.
    """

    def __init__(self) -> None:
        self.index: _Index | None = None
        self.verdicts: dict[str, tuple[MCPGateway, Verdict]] = {}
        """By name."""


class _Index(NamedTuple):
    """The names of MCPGateways, the oldest first, by the id of their gateway; and by account and identity."""

    by_gateway: dict[str, tuple[str, ...]]
    holders: dict[tuple[str, Identity], tuple[str, ...]]


def _index_of(classes: Iterable[MCPGateway]) -> _Index:
    found: dict[str, list[str]] = {}
    first: dict[str, MCPGateway] = {}
    for each in sorted(classes, key=lambda each: each.age):
        if (arn := each.arn) is not None:
            found.setdefault(arn.gateway_id, []).append(each.name)
            first.setdefault(arn.text, each)
    holders: dict[tuple[str, Identity], list[str]] = {}
    for each in sorted(first.values(), key=lambda each: each.name):
        assert each.arn is not None
        identity = identity_at(each.arn, each.spec.aws or AwsIdentity())
        holders.setdefault((each.arn.account, identity), []).append(each.name)
    return _Index(
        {gateway_id: tuple(names_) for gateway_id, names_ in found.items()},
        {key: tuple(names_) for key, names_ in holders.items()},
    )


def acts_elsewhere(of: MCPGateway) -> bool:
    """Return whether the role of an MCPGateway is of another account than its gateway, and so useless."""
    role_arn = of.spec.aws.role_arn if of.spec.aws is not None else ""
    return bool(role_arn) and of.arn is not None and account_and_region(role_arn)[0] != of.arn.account


def identity_at(arn: GatewayArn, aws: AwsIdentity) -> Identity:
    """Return as whom, and in which Region, an MCPGateway has its gateway worked on."""
    return Identity(
        region=arn.region,
        role_arn=aws.role_arn,
        external_id=aws.external_id,
        tags=tuple(sorted(aws.session_tags.items())),
    )


def _unsaid(why: str) -> AgentCoreError:
    return AgentCoreError(ErrorKind.TRANSIENT, "NoIdentity", f"{why}, so nothing is sent", unsent=True)


def _no(reason: str, message: str) -> Verdict:
    return Verdict(accepted=False, reason=reason, message=message)


def _says(of: MCPGateway) -> tuple[object, ...]:
    """Return what of an MCPGateway a decision rests on."""
    meta = of.metadata
    return (meta.uid, bool(meta.deletion_timestamp), of.spec, of.problems)
