"""`import`: manifests for the targets that are on gateways already."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mcp_gateway_operator.api.crd_manifest import to_yaml
from mcp_gateway_operator.cli.fleet.command import FAILED, NOT_SO, asking, cluster_options
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, operator_options
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.reads import Everywhere
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.spec_of_target import manifest_of, object_name, objections, spec_of
from mcp_gateway_operator.cli.fleet.survey import Owned, Registry
from mcp_gateway_operator.cli.fleet.whereabouts import Where, class_at
from mcp_gateway_operator.cli.options import Namespace
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import counted, shown
from mcp_gateway_operator.targets.known import AgentCoreError
from mcp_gateway_operator.targets.shape import Target


@asking(
    "import",
    examples="""
    import demo-abcdefghij -n team-a --adopt > servers.yaml
    import demo-abcdefghij other-abcdefghij --no-cluster
    import tools-emea --assume-class-roles > servers.yaml
    """,
)
@cluster_options
@click.argument("gateways", nargs=-1, required=True, metavar="GATEWAY...")
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

    A gateway is given by its id, its ARN or the name of its MCPGateway. Each manifest is proven first:
    compared as the operator compares, it asks for nothing but what the target is. What no spec can say is
    reported for each target, and so is what an MCPServer has already; both are left out. Without --adopt, an
    object that is applied waits with NameConflict until its target is gone; with it, an operator with
    --allow-adoption takes the target over.

    Exit status: 0 when each target has its manifest or its MCPServer, 2 when one has neither, 1 when a
    gateway cannot be read.
    """
    namespace = scope.namespace
    everywhere = scope.everywhere(" With --no-cluster it is not read.")
    scene = Scene() if no_cluster else read_scene(everywhere)
    registry = Registry(scene, settings)
    survey = registry.survey(gateways, alone=True)
    free = [each for each in survey.found if each.key is None]
    whole = ask_aws(settings, lambda port: _read(port, free), scene.classes.values())
    governors = _governors(scene, survey.home)
    taken = {name for where, name in scene.objects if where == namespace}
    left_out = 0
    for each, target in zip(free, whole, strict=True):
        title = f"{each.target} ({each.row.name}) on {each.gateway_id}"
        if isinstance(target, AgentCoreError):
            say(f"{title}: AWS does not show it: {target}", err=True)
            left_out += 1
            continue
        governor = governors.get(each.gateway_id, "")
        spec = spec_of(target, each.gateway_id, governor)
        if why := [*_no_way(each, governor, adopt=adopt), *objections(spec, target)]:
            say(f"{title} is left out: {shown('; '.join(why))}", err=True)
            left_out += 1
            continue
        if adopt:
            spec["adoptionPolicy"] = "IfExists"
        name = object_name(each.row.name, taken)
        click.echo("---\n" + to_yaml(manifest_of(spec, name=name, namespace=namespace)), nl=False)
    say(
        f"Manifests written for {len(free) - left_out} of {counted(len(survey.found), 'target')}; left out: "
        f"{left_out}; with an MCPServer already: {len(survey.found) - len(free)}.",
        err=True,
    )
    for gateway_id, why_not in survey.unread.items():
        say(f"{gateway_id} could not be listed: {why_not}", err=True)
    if survey.unread:
        raise SystemExit(FAILED)
    if left_out:
        raise SystemExit(NOT_SO)


def _governors(scene: Scene, home: Where | None) -> dict[str, str]:
    """Return the name of the MCPGateway that governs each gateway: of several the one that was made first."""
    oldest_last = sorted(scene.classes.values(), key=lambda each: each.age, reverse=True)
    return {class_at(each, home): each.name for each in oldest_last}


def _no_way(each: Owned, governor: str, *, adopt: bool) -> Iterator[str]:
    """Yield why an MCPServer cannot come to a target's gateway, or not to the target."""
    if ":" in each.gateway_id and not governor:
        yield "only spec.gatewayRef leads to another account or Region: make an MCPGateway of this gateway"
    if adopt and governor:
        yield f"MCPGateway {governor} never permits adoption: leave --adopt out"


async def _read(port: Everywhere, wanted: list[Owned]) -> list[Target | AgentCoreError]:
    found: list[Target | AgentCoreError] = []
    for each in wanted:
        try:
            found.append(await port.get_target(each.gateway_id, each.row.target_id))
        except AgentCoreError as error:
            found.append(error)
    return found
