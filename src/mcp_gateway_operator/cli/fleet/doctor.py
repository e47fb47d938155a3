"""`doctor`: what keeps MCPServers from being managed, each finding with what to type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Final

import click
import msgspec

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.cli.fleet import (
    examine_gateways,
    examine_quotas,
    examine_rights,
    examine_surroundings,
)
from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking, cluster_options, output_option
from mcp_gateway_operator.cli.fleet.debug import OPERATORS, PODS, NoAnswerError, debug_option, reached
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.cli.fleet.json_answers import DoctorAnswer, say_json
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, operator_options
from mcp_gateway_operator.cli.fleet.reach import Scope, with_cluster
from mcp_gateway_operator.cli.fleet.reads import Everywhere
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.survey import Registry
from mcp_gateway_operator.cli.options import QuotaList
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH, ServedSchema
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster
from mcp_gateway_operator.runtime.metrics_server import PATH as METRICS
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import AgentCoreError


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at beside what is looked at always.

    Attributes:
        account: the operator's ServiceAccount as NAMESPACE/NAME; "" for that of its pod.
        role: the ARN of its IAM role, "" where IAM is not asked.
        address: of its metrics port.
        quotas: the operator's own settings.
    """

    account: str = ""
    role: str = ""
    address: str = ""
    quotas: Quotas = Quotas()


@asking(
    "doctor",
    examples="""
    doctor
    doctor --gateway-id demo-abcdefghij -o json
    """,
)
@cluster_options
@operator_options
@click.option(
    "--service-account",
    "account",
    default="",
    metavar="NAMESPACE/NAME",
    help="The operator's, whose rights are looked at; else its pod's.",
)
@click.option(
    "--role-arn", "role", default="", help="The operator's IAM role, to be asked of IAM's simulator."
)
@click.option(
    "--aws-quotas",
    "quotas",
    envvar="MCPS_AWS_QUOTAS",
    type=QuotaList(),
    default="default",
    help="As the operator's.",
)
@debug_option
@output_option()
def command(
    *,
    scope: Scope,
    settings: Settings,
    account: str,
    role: str,
    quotas: Quotas,
    debug_address: str,
    output: str,
) -> None:
    """Look at everything that MCPServers need: CRDs, rights, clocks, AWS, gateways and their room.

    Each finding says what is there, why it matters and what to type. What your account may not see is said to
    be not known. The operator's own rights are asked of the API server (SubjectAccessReview), verb by verb;
    how AWS has answered it, of its metrics; what its role may do, with --role-arn, of IAM
    (SimulatePrincipalPolicy); which quotas your account has, of Service Quotas (ListServiceQuotas).

    Exit status: 0 when all is well, 2 when something is not, 1 when the cluster cannot be reached.
    """
    if account and "/" not in account:
        raise click.UsageError("--service-account is NAMESPACE/NAME: write both.")
    findings = findings_of(
        scope, settings, Extent(account=account, role=role, address=debug_address, quotas=quotas)
    )
    if output == "json":
        say_json(DoctorAnswer(findings=findings))
    else:
        for each in findings:
            sign = {True: "ok", False: "!!", None: "??"}[each.ok]
            say(f"{sign}  {each.what}")
            for line in filter(None, (each.why, each.do)):
                say(f"      {line}")
    if any(each.ok is False for each in findings):
        raise SystemExit(NOT_SO)


def findings_of(scope: Scope, settings: Settings, extent: Extent) -> list[Finding]:
    """Return everything that was looked at.

    Raises:
        ClickException: the cluster cannot be reached.
    """
    return [
        *with_cluster(scope, partial(_cluster, settings=settings, account=extent.account)),
        *examine_surroundings.clocks(scope, settings.aws_region or "us-east-1"),
        *examine_surroundings.network(),
        *_operator(scope, extent),
        *_aws(scope, settings, extent),
    ]


async def _cluster(cluster: Cluster, settings: Settings, account: str) -> list[Finding]:
    found = [await _version(cluster), *[each async for each in _definition(cluster)]]
    # Whoever gives the owner's id needs no right to read it.
    needs = [
        each for each in examine_rights.CALLERS if not (settings.owner_id and each.resource == "namespaces")
    ]
    found += await examine_rights.callers(cluster, needs)
    account = account or await _account(cluster)
    found += await examine_rights.operators(cluster, account) if account else [_NO_ACCOUNT]
    return found + await examine_surroundings.other_operators(cluster)


_NO_ACCOUNT: Final = Finding(
    ok=None,
    what="The operator's rights are not known: its pod cannot be seen.",
    do="give --service-account NAMESPACE/NAME",
)


async def _account(cluster: Cluster) -> str:
    """Return the ServiceAccount of the operator's pod, "" where none is to be seen."""
    try:
        page = await cluster.list(PODS, labels=OPERATORS, limit=1)
    except ApiError:
        return ""
    for raw in page.items:
        pod = msgspec.json.decode(raw)
        return f"{pod['metadata']['namespace']}/{pod['spec'].get('serviceAccountName', 'default')}"
    return ""


def _operator(scope: Scope, extent: Extent) -> Iterator[Finding]:
    """Yield how AWS has answered the operator."""
    try:
        with reached(scope, extent.address) as operator:
            metrics = operator.ask(METRICS).decode(errors="replace")
    except (NoAnswerError, click.ClickException) as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        yield Finding(ok=None, what=f"How AWS has answered the operator is not known. {words}")
    else:
        yield from examine_rights.at_aws_by_answers(metrics)
        yield from examine_quotas.at_present(metrics, extent.quotas)


async def _version(cluster: Cluster) -> Finding:
    try:
        version = msgspec.json.decode(await cluster.get_path("/version"))
    except ApiError as error:
        if not error.forbidden:
            raise
        return Finding(ok=None, what=f"The API server answers; its version is not known: {error.message}")
    return Finding(ok=True, what=f"The API server answers: {shown(str(version.get('gitVersion')))}.")


async def _definition(cluster: Cluster) -> AsyncIterator[Finding]:
    try:
        await cluster.list(MCPSERVERS, limit=1)
    except ApiError as error:
        if error.not_found:
            yield Finding(
                ok=False,
                what="The CustomResourceDefinition is not installed.",
                why="Without it there are no MCPServers.",
                do="mcp-gateway-operator crd | kubectl apply --server-side -f -",
            )
            return
    schema = ServedSchema(cluster)
    try:
        await cluster.get_path(PATH)
        known = True
        await schema.read()
    except ApiError:
        known = False
    missing = sorted(schema.unserved)
    if missing or schema.status_fields is not None:
        fields = ", ".join(missing) or "some of status"
        yield Finding(
            ok=False,
            what=f"The installed CustomResourceDefinition is old: it does not have {fields}.",
            why="What is set there is dropped by the API server, and more may be done at AWS than is wanted.",
            do="mcp-gateway-operator crd | kubectl apply --server-side --force-conflicts -f -",
        )
    else:
        yield (
            Finding(ok=True, what="The CustomResourceDefinition has every field.")
            if known
            else Finding(ok=None, what="The schema of the CustomResourceDefinition is not known to you.")
        )


def _aws(scope: Scope, settings: Settings, extent: Extent) -> Iterable[Finding]:
    try:
        account = ask_aws(settings, _identity)
    except click.ClickException as error:
        yield Finding(ok=None, what=f"AWS was not asked: {error.format_message()}")
        return
    yield account
    said = examine_quotas.applied(settings.aws_region or None)
    yield from examine_quotas.by_service(said, extent.quotas)
    try:
        scene = read_scene(msgspec.structs.replace(scope, all_namespaces=True))
    except click.ClickException as error:
        yield Finding(ok=None, what=f"The gateways in use are not known: {error.format_message()}")
        return
    for key, unread in scene.unread.items():
        yield Finding(
            ok=False,
            what=f"MCPServer {'/'.join(key)} cannot be read: {unread}",
            why="The operator leaves it alone until it can be.",
            do=f"kubectl edit mcpserver {key[1]} -n {key[0]}",
        )
    registry = Registry(scene, settings)
    survey = registry.survey()
    yield from examine_gateways.gateways(
        scene, registry, survey, said.targets or extent.quotas.gateway_targets
    )
    if extent.role:
        arns = sorted(_arns(scene))
        yield from examine_rights.at_aws_by_simulation(extent.role, arns, settings.aws_region or "us-east-1")


def _arns(scene: Scene) -> set[str]:
    """Return the ARNs of the gateways in use, as far as they are known."""
    noted = {obj.status.gateway_arn for obj in scene.servers.values()}
    return (noted | {each.spec.gateway_arn for each in scene.classes.values()}) - {""}


async def _identity(port: Everywhere) -> Finding:
    try:
        found = await port.caller_identity()
    except AgentCoreError as error:
        return Finding(
            ok=False,
            what=f"AWS does not accept your credentials: {shown(str(error))}",
            why="Without them plan, why, owner, orphans and import see nothing of AWS.",
            do="log in to AWS again, or name a profile in AWS_PROFILE",
        )
    return Finding(ok=True, what=f"AWS knows you as {shown(found.arn)}, in {found.region}.")
