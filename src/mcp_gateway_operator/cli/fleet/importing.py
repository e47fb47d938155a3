"""`import`: manifests for the targets that are on gateways already."""

from __future__ import annotations

import click
import msgspec

from mcp_gateway_operator.api.crd_manifest import to_yaml
from mcp_gateway_operator.cli.fleet.command import FAILED, NOT_SO, asking, cluster_options
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, operator_options
from mcp_gateway_operator.cli.fleet.paper_aws import ReadOnly
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.spec_of_target import manifest_of, object_name, objections, spec_of
from mcp_gateway_operator.cli.fleet.survey import Owned, Registry
from mcp_gateway_operator.cli.options import GatewayId, Namespace
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import AgentCoreError
from mcp_gateway_operator.targets.shape import Target


@asking(
    "import",
    examples="""
    import demo-abcdefghij -n team-a --adopt > servers.yaml
    import demo-abcdefghij other-abcdefghij --no-cluster
    """,
)
@cluster_options
@click.argument("gateways", nargs=-1, required=True, type=GatewayId(), metavar="GATEWAY...")
@click.option(
    "-n", "--namespace", type=Namespace(), default="", help="Of the manifests; else they name none."
)
@click.option("--adopt", is_flag=True, help="Let the objects take their targets over (adoptionPolicy).")
@click.option("--no-cluster", is_flag=True, help="Do not ask which targets belong to MCPServers already.")
@operator_options
def command(
    *, scope: Scope, settings: Settings, gateways: tuple[str, ...], adopt: bool, no_cluster: bool
) -> None:
    """Write manifests for the targets of gateways to standard output; nothing is changed.

    Each manifest is proven first: compared as the operator compares, it asks for nothing but what the target
    is. What no spec can say is told for each target, and so is what an MCPServer has already; both are left
    out. Without --adopt, an object that is applied waits with NameConflict until its target is gone; with it,
    an operator with --allow-adoption takes the target over.

    Exit status: 0 when each target has its manifest or its MCPServer, 2 when one has neither, 1 when a
    gateway cannot be read.
    """
    namespace = scope.namespace
    everywhere = msgspec.structs.replace(scope, namespace="", all_namespaces=True)
    scene = Scene() if no_cluster else read_scene(everywhere)
    registry = Registry(scene, settings)
    survey = registry.survey(settings, gateways)
    free = [each for each in survey.found if each.key is None]
    whole = ask_aws(settings, lambda port: _read(port, free))
    taken = {name for where, name in scene.objects if where == namespace}
    left_out = 0
    for each, target in zip(free, whole, strict=True):
        title = f"{each.row.target_id} ({each.row.name}) on {each.gateway_id}"
        if isinstance(target, AgentCoreError):
            say(f"{title}: AWS does not show it: {target}", err=True)
            left_out += 1
            continue
        spec = spec_of(target, each.gateway_id)
        if why := objections(spec, target):
            say(f"{title} is left out: {shown('; '.join(why))}", err=True)
            left_out += 1
            continue
        if adopt:
            spec["adoptionPolicy"] = "IfExists"
        name = object_name(each.row.name, taken)
        click.echo("---\n" + to_yaml(manifest_of(spec, name=name, namespace=namespace)), nl=False)
    owned = len(survey.found) - len(free)
    say(
        f"{len(free) - left_out} of {len(survey.found)} targets have a manifest now; {owned} belong to an "
        f"MCPServer already, {left_out} are left out.",
        err=True,
    )
    for gateway_id, why_not in survey.unread.items():
        say(f"{gateway_id} could not be listed: {why_not}", err=True)
    if survey.unread:
        raise SystemExit(FAILED)
    if left_out:
        raise SystemExit(NOT_SO)


async def _read(port: ReadOnly, wanted: list[Owned]) -> list[Target | AgentCoreError]:
    found: list[Target | AgentCoreError] = []
    for each in wanted:
        try:
            found.append(await port.get_target(each.gateway_id, each.row.target_id))
        except AgentCoreError as error:
            found.append(error)
    return found
