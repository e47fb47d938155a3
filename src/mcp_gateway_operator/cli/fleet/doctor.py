"""`doctor`: what keeps MCPServers from being managed, each finding with what to type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, Final

import click
import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking, cluster_options, output_option
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, ask_aws, operator_options
from mcp_gateway_operator.cli.fleet.paper_aws import LIMIT, ReadOnly
from mcp_gateway_operator.cli.fleet.reach import Scope, with_cluster
from mcp_gateway_operator.cli.fleet.scene import read_scene
from mcp_gateway_operator.cli.fleet.survey import Registry, Survey
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.operator import OWNER_NAMESPACE
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH, ServedSchema
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, Resource
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets.known import AgentCoreError

SCHEMA: Final = "mcps.doctor/v1"
ALMOST_FULL: Final = 0.9
"""Share of a gateway's quota from which on it is worth a word."""
_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
_READS: Final = (
    *((names.GROUP, names.PLURAL, verb, "") for verb in ("get", "list", "watch", "patch")),
    ("", "namespaces", "get", OWNER_NAMESPACE),
)
"""Group, resource, verb and name of what these commands need; `patch` is for retry, pause, resume, sync."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        ok: it is as it should be; None when that cannot be known.
        what: as it is found.
        why: why that matters, where it does.
        do: what to type or to ask for.
    """

    ok: bool | None
    what: str
    why: str = ""
    do: str = ""


@asking(
    "doctor",
    examples="""
    doctor
    doctor --gateway-id demo-abcdefghij -o json
    """,
)
@cluster_options
@operator_options
@output_option()
def command(*, scope: Scope, settings: Settings, output: str) -> None:
    """Look at everything that MCPServers need: CRD, your rights, credentials, gateways and their room.

    Each finding says what is there, why it matters and what to type. What your account may not see is said to
    be not known. The rights are yours, not the operator's: for those, run it as its ServiceAccount
    (kubectl run, with --overrides).

    Exit status: 0 when all is well, 2 when something is not, 1 when the cluster cannot be reached.
    """
    findings = findings_of(scope, settings)
    if output == "json":
        answer = {"schema": SCHEMA, "findings": findings}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        for each in findings:
            sign = {True: "ok", False: "!!", None: "??"}[each.ok]
            say(f"{sign}  {each.what}")
            for line in filter(None, (each.why, each.do)):
                say(f"      {line}")
    if any(each.ok is False for each in findings):
        raise SystemExit(NOT_SO)


def findings_of(scope: Scope, settings: Settings) -> list[Finding]:
    """Return everything that was looked at.

    Raises:
        ClickException: the cluster cannot be reached.
    """
    return [*with_cluster(scope, partial(_cluster, settings=settings)), *_aws(scope, settings)]


async def _cluster(cluster: Cluster, settings: Settings) -> list[Finding]:
    found = [await _version(cluster), *[each async for each in _definition(cluster)]]
    # Whoever gives the owner's id needs no right to read it.
    needed = (each for each in _READS if not (settings.owner_id and each[1] == "namespaces"))
    return found + [await _may(cluster, *each) for each in needed]


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


async def _may(cluster: Cluster, group: str, resource: str, verb: str, name: str) -> Finding:
    attributes = {"group": group, "resource": resource, "verb": verb, "name": name}
    title, where = f"{verb} {resource} {name}".rstrip(), "" if name else " in all namespaces"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer: dict[str, Any] = msgspec.json.decode(await cluster.create(_REVIEWS, None, body))
    except ApiError as error:
        return Finding(ok=None, what=f"Whether you may {title} is not known: {shown(error.message)}")
    if answer["status"].get("allowed"):
        return Finding(ok=True, what=f"You may {title}{where and ','}{where}.")
    role = "mcpserver-editor-role" if verb == "patch" else "mcpserver-viewer-role"
    owner = resource == "namespaces"
    return Finding(
        ok=False,
        what=f"You may not {title}{where}.",
        why="Its uid marks this cluster's targets." if owner else "Without it these commands see a part.",
        do="give --owner-id, the same as the operator's" if owner else f"ask for the ClusterRole {role}",
    )


def _aws(scope: Scope, settings: Settings) -> Iterable[Finding]:
    try:
        account = ask_aws(settings, _identity)
    except click.ClickException as error:
        yield Finding(ok=None, what=f"AWS was not asked: {error.format_message()}")
        return
    yield account
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
    survey = registry.survey(settings, registry.gateways)
    for gateway_id in sorted(registry.gateways):
        if (why := survey.unread.get(gateway_id)) is not None:
            yield Finding(
                ok=False,
                what=f"Gateway {gateway_id} cannot be listed: {shown(why)}",
                why="Where the operator's account is refused as well, nothing is managed there.",
                do="allow bedrock-agentcore:ListGatewayTargets and GetGatewayTarget (docs/SETUP.md)",
            )
            continue
        here = [each for each in survey.found if each.gateway_id == gateway_id]
        full = len(here) >= LIMIT * ALMOST_FULL
        yield Finding(
            ok=not full,
            what=f"Gateway {gateway_id} has {len(here)} targets; AWS's default quota is {LIMIT}.",
            why="A gateway that is full takes no new target." if full else "",
            do="mcps orphans, or have AWS raise the quota" if full else "",
        )
    yield _orphans(registry, survey)


def _orphans(registry: Registry, survey: Survey) -> Finding:
    if not registry.codes:
        return Finding(
            ok=None,
            what="Which targets are this installation's is not known, nor which of them belong to nobody.",
            do="give --owner-id, the same as the operator's",
        )
    orphans = sum(each.orphan for each in survey.found)
    return Finding(
        ok=not orphans,
        what=f"{orphans} targets of this installation belong to no MCPServer.",
        why="They take places, and agents may call servers that are gone." if orphans else "",
        do="mcps orphans" if orphans else "",
    )


async def _identity(port: ReadOnly) -> Finding:
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
