"""`orphans`: targets that this installation made and that nothing here has to do with any more."""

from __future__ import annotations

import click

from mcp_gateway_operator.cli.fleet.command import FAILED, NOT_SO, asking, cluster_options, output_option
from mcp_gateway_operator.cli.fleet.json_answers import Orphan, OrphansAnswer, say_json
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, operator_options, require_owner
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.survey import GATEWAYS, Owned, Registry
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import counted, shown
from mcp_gateway_operator.targets.shape import account_and_region, bare


@asking(
    "orphans",
    examples="""
    orphans
    orphans --gateway old-abcdefghij
    """,
)
@cluster_options
@click.option("--gateway", "gateways", multiple=True, help=GATEWAYS)
@operator_options
@output_option()
def command(*, scope: Scope, settings: Settings, gateways: tuple[str, ...], output: str) -> None:
    """List the targets of this installation in AWS whose MCPServer is gone, and how to remove them.

    It looks on every gateway that some MCPServer uses, of other accounts than yours only with
    --assume-class-roles. A target counts only with proof: all namespaces were read, its gateway was listed
    now, its marker is this installation's, and no MCPServer has that marker or records the target. Nothing is
    removed: that is left to you.

    Exit status: 0 when there is none, 2 when there are some, 1 when that cannot be found out.
    """
    scene = read_scene(scope.everywhere())
    if scene.unread:
        raise click.ClickException(
            f"{counted(len(scene.unread), 'MCPServer')} cannot be read, so nothing proves which targets are "
            "nobody's. Correct what is named above first."
        )
    require_owner(scene, settings)
    registry = Registry(scene, settings)
    survey = registry.survey(gateways)
    orphans = [each for each in survey.found if each.orphan]
    listed = len(survey.gateways) - len(survey.unread)
    if output == "json":
        rows = [_row(each, scene) for each in orphans]
        say_json(OrphansAnswer(orphans=rows, unread=survey.unread))
    else:
        for each in orphans:
            say(f"{each.target} ({each.row.name}) on {each.gateway_id} {each.words} [{each.marker}]")
            say(f"  proof: {_proof(each, scene)}")
            say(f"  {_removal(each)}")
        say(
            f"Orphans: {len(orphans)} of {counted(len(survey.found), 'target')}. All namespaces were read "
            f"({counted(len(scene.objects), 'MCPServer')}); gateways listed now: {listed}."
        )
    for gateway_id, why in survey.unread.items():
        say(f"{gateway_id} could not be listed: {why}", err=True)
    if survey.unread:
        raise SystemExit(FAILED)
    if orphans:
        raise SystemExit(NOT_SO)


def _proof(each: Owned, scene: Scene) -> str:
    """Return what proves that a target belongs to nobody here."""
    code, servers = (each.marker or "").partition("/")[0], counted(len(scene.objects), "MCPServer")
    return (
        f"its gateway was listed just now; {code} in its marker is this installation; of {servers} in all "
        "namespaces none has the marker, and none records it"
    )


def _row(each: Owned, scene: Scene) -> Orphan:
    return Orphan(
        gateway=each.gateway_id,
        target_id=each.row.target_id,
        name=shown(each.row.name),
        marker=each.marker or "",
        proof=_proof(each, scene),
        remove=_removal(each),
    )


def _removal(each: Owned) -> str:
    line = (
        "aws bedrock-agentcore-control delete-gateway-target "
        f"--gateway-identifier {bare(each.gateway_id)} --target-id {each.row.target_id}"
    )
    account, region = account_and_region(each.gateway_id)
    return f"{line} --region {region}  # as account {account}" if account else line
