"""Whose the targets on some gateways are: by marker, by record, and by what all namespaces hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import click
import msgspec

from mcp_gateway_operator.api.aws_ids import is_gateway_id, no_gateway_id
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.cli.fleet.foresee import Key
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, gateways_around
from mcp_gateway_operator.cli.fleet.reads import NOT_READ, Everywhere
from mcp_gateway_operator.cli.fleet.scene import Scene
from mcp_gateway_operator.cli.fleet.whereabouts import Where, at_home, recorded_at, records_of
from mcp_gateway_operator.targets.known import AgentCoreError, Place
from mcp_gateway_operator.targets.shape import TargetSummary, marker_of, owner_code

GATEWAYS: Final = "Look there, too: an id, an ARN or an MCPGateway; repeatable."
"""Help of the flag --gateway."""


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A target and whose it is.

    Attributes:
        gateway_id: its gateway's id in the caller's own account and Region, else its ARN.
        key: of the MCPServer whose marker it carries, or that records it.
        ours: its marker is of this installation.
        recorded: the MCPServers that record it.
    """

    gateway_id: str
    row: TargetSummary
    marker: str | None
    key: Key | None
    ours: bool
    recorded: tuple[Key, ...]

    @property
    def target(self) -> str:
        """The target's id, with account and Region before it where these are not the caller's own."""
        return Place(self.gateway_id).target(self.row.target_id)

    @property
    def orphan(self) -> bool:
        """Whether this installation made it, and nothing here has to do with it any more."""
        return self.ours and self.key is None and not self.recorded

    @property
    def words(self) -> str:
        """Say whose it is."""
        if self.key is not None:
            return f"belongs to MCPServer {'/'.join(self.key)}"
        if self.orphan:
            return "was made by this installation for an MCPServer that is gone"
        if self.marker is not None:
            return f"was made by another installation, {self.marker.partition('/')[0]}"
        return "was not made by an operator: it carries no marker"


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All targets of some gateways, and which gateways could not be listed, with why.

    Attributes:
        not_reached: those of `unread` for which the caller's credentials are not meant.
        gateways: all that were to be listed: by id in the caller's own account and Region, else by ARN.
        home: the caller's own account and Region, None where AWS does not say.
    """

    found: tuple[Owned, ...]
    unread: dict[str, str]
    not_reached: dict[str, str]
    gateways: tuple[str, ...]
    home: Where | None


class Registry:
    """Who owns what, as the cluster's objects say.

    Args:
        scene: all objects.
        settings: of the operator.
    """

    def __init__(self, scene: Scene, settings: Settings) -> None:
        owners = settings.owner_id or tuple(filter(None, (scene.owner,)))
        self._scene = scene
        self._settings = settings
        self.codes = {owner_code(owner) for owner in owners}
        self.by_marker: dict[str, Key] = {
            marker_of(owner, *key): key for key in scene.objects for owner in owners
        }

    def survey(self, gateways: Iterable[str] = (), *, alone: bool = False) -> Survey:
        """List gateways now, and say whose each target is.

        Args:
            gateways: which: by id, by ARN, or by the name of an MCPGateway.
            alone: these and no others; else also those that some MCPServer uses.

        Raises:
            ClickException: there is no such gateway, or no Region is known.
        """
        scene, settings = self._scene, self._settings
        asked = [gateway_named(each, scene) for each in gateways]

        async def work(aws: Everywhere) -> Survey:
            wanted = {at_home(each, aws.home) for each in asked}
            if not alone:
                wanted = wanted.union(*gateways_around(scene, settings, aws.home).values())
            recorded = _recorded(scene, aws.home)
            found: list[Owned] = []
            unread: dict[str, str] = {}
            not_reached: dict[str, str] = {}
            for gateway_id in sorted(wanted):
                try:
                    found += [self._owned(gateway_id, row, recorded) async for row in _rows(aws, gateway_id)]
                except AgentCoreError as error:
                    unread[gateway_id] = error.message if error.code == NOT_READ else str(error)
                    if error.code == NOT_READ:
                        not_reached[gateway_id] = error.message
            return Survey(
                found=tuple(found),
                unread=unread,
                not_reached=not_reached,
                gateways=tuple(sorted(wanted)),
                home=aws.home,
            )

        return ask_aws(settings, work, scene.classes.values())

    def _owned(
        self, gateway_id: str, row: TargetSummary, recorded: Mapping[tuple[str, str], list[Key]]
    ) -> Owned:
        """Return whose a target is; a marker comes before any record."""
        marker = row.marker
        keys = tuple(recorded.get((gateway_id, row.target_id), ()))
        key = self.by_marker.get(marker) if marker else next(iter(keys), None)
        ours = marker is not None and marker.partition("/")[0] in self.codes
        return Owned(gateway_id=gateway_id, row=row, marker=marker, key=key, ours=ours, recorded=keys)


def gateway_named(text: str, scene: Scene) -> str:
    """Return a gateway's id or ARN from either, or from the name of an MCPGateway.

    Raises:
        ClickException: it is none of them.
    """
    if (named := scene.classes.get(text)) is not None and named.arn is not None:
        return named.spec.gateway_arn
    if is_gateway_id(text) or GatewayArn.parse(text) is not None:
        return text
    raise click.ClickException(f"There is no MCPGateway {text!r}, and {no_gateway_id(text)}, or its ARN.")


def _recorded(scene: Scene, home: Where | None) -> dict[tuple[str, str], list[Key]]:
    """Return who records each target, by its gateway and its id: two accounts may have equal ones."""
    found: dict[tuple[str, str], list[Key]] = {}
    for key, obj in scene.servers.items():
        for record in records_of(obj):
            if record.target_id:
                found.setdefault((recorded_at(record, home), record.target_id), []).append(key)
    return found


async def _rows(aws: Everywhere, gateway_id: str) -> AsyncIterator[TargetSummary]:
    token: str | None = None
    while True:
        page = await aws.list_targets(gateway_id, next_token=token)
        for row in page.items:
            yield row
        token = page.next_token
        if not token:
            return
