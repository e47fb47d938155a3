"""Whose the targets on some gateways are: by marker, by record, and by what all namespaces hold."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mcp_gateway_operator.cli.fleet.foresee import Key
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, gateways_around
from mcp_gateway_operator.cli.fleet.paper_aws import ReadOnly
from mcp_gateway_operator.cli.fleet.scene import Scene
from mcp_gateway_operator.targets.known import AgentCoreError, stored_moves, stored_record
from mcp_gateway_operator.targets.shape import TargetSummary, marker_of, owner_code


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A target and whose it is.

    Attributes:
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
        return "was made by no operator: it carries no marker"


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All targets of some gateways, and which gateways could not be listed, with why."""

    found: tuple[Owned, ...]
    unread: dict[str, str]


class Registry:
    """Who owns what, as the cluster's objects say.

    Args:
        scene: all objects.
        settings: of the operator.
    """

    def __init__(self, scene: Scene, settings: Settings) -> None:
        owners = settings.owner_id or tuple(filter(None, (scene.owner,)))
        self.codes = {owner_code(owner) for owner in owners}
        self.by_target: dict[str, list[Key]] = {}
        self.gateways = set[str]().union(*gateways_around(scene, settings).values())
        self.by_marker: dict[str, Key] = {
            marker_of(owner, *key): key for key in scene.objects for owner in owners
        }
        for key, obj in scene.servers.items():
            for record in (stored_record(obj), *stored_moves(obj)):
                if record is not None and record.target_id:
                    self.by_target.setdefault(record.target_id, []).append(key)

    def owned(self, gateway_id: str, row: TargetSummary) -> Owned:
        """Return whose a target is; a marker comes before any record."""
        marker = row.marker
        recorded = tuple(self.by_target.get(row.target_id, ()))
        key = self.by_marker.get(marker) if marker else next(iter(recorded), None)
        ours = marker is not None and marker.partition("/")[0] in self.codes
        return Owned(gateway_id=gateway_id, row=row, marker=marker, key=key, ours=ours, recorded=recorded)

    def survey(self, settings: Settings, gateways: Iterable[str]) -> Survey:
        """List gateways now, and say whose each target is."""
        wanted = sorted(set(gateways))

        async def work(port: ReadOnly) -> Survey:
            found: list[Owned] = []
            unread: dict[str, str] = {}
            for gateway_id in wanted:
                token: str | None = None
                try:
                    while True:
                        page = await port.list_targets(gateway_id, next_token=token)
                        found += [self.owned(gateway_id, row) for row in page.items]
                        token = page.next_token
                        if not token:
                            break
                except AgentCoreError as error:
                    unread[gateway_id] = str(error)
            return Survey(found=tuple(found), unread=unread)

        return ask_aws(settings, work)
