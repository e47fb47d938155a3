"""`owner`: whose a target or a marker is."""

from __future__ import annotations

import re
from typing import Final

import click

from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking, cluster_options
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, operator_options, require_owner
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.survey import GATEWAYS, Registry
from mcp_gateway_operator.cli.fleet.whereabouts import records_of
from mcp_gateway_operator.cli.say import say

_MARKER: Final = re.compile(r"(?:\[mcps )?([a-z2-7]{6})/([a-z2-7]{12})\]?")


@asking(
    "owner",
    examples="""
    owner ABCDE12345
    owner k3j2ab/abcdefghijkl
    """,
)
@cluster_options
@click.argument("what", metavar="TARGET|MARKER")
@click.option("--gateway", "gateways", multiple=True, help=GATEWAYS)
@operator_options
def command(*, scope: Scope, settings: Settings, what: str, gateways: tuple[str, ...]) -> None:
    """Say which MCPServer a target in AWS belongs to, by its id or by the marker in its description.

    A target is looked for on every gateway that some MCPServer uses, of other accounts than yours only with
    --assume-class-roles. Where several accounts have a target of that id, all are shown. For a marker AWS is
    not asked.

    Exit status: 0 when it belongs to an MCPServer here, 2 when not, 1 when that cannot be found out.
    """
    scene = read_scene(scope.everywhere())
    require_owner(scene, settings)
    registry = Registry(scene, settings)
    if (mark := _MARKER.fullmatch(what.strip())) is not None:
        marker = f"{mark[1]}/{mark[2]}"
        if (key := registry.by_marker.get(marker)) is not None:
            say(f"{marker} is the marker of MCPServer {'/'.join(key)}.")
            return
        here = mark[1] in registry.codes
        say(
            f"{marker} is of this installation, and its MCPServer is gone."
            if here
            else f"{marker} is of another installation, {mark[1]}."
        )
        raise SystemExit(NOT_SO)
    survey = registry.survey(gateways)
    found = [each for each in survey.found if what in (each.row.target_id, each.target)]
    for each in found:
        say(f"{each.target} ({each.row.name}) on {each.gateway_id} is {each.row.status} and {each.words}.")
    for gateway_id, why in survey.unread.items():
        say(f"{gateway_id} could not be listed: {why}", err=True)
    if not found:
        raise click.ClickException(
            f"No gateway that was listed has a target {what!r}.{_recording(what, scene)} Name other gateways "
            "with --gateway."
        )
    if not any(each.key for each in found):
        raise SystemExit(NOT_SO)


def _recording(target_id: str, scene: Scene) -> str:
    """Say which MCPServers record a target, for which AWS was not asked or which it does not have."""
    keys = [
        "/".join(key)
        for key, obj in scene.servers.items()
        if any(each.target_id == target_id for each in records_of(obj))
    ]
    return f" MCPServer {' and '.join(sorted(keys))} records it." if keys else ""
