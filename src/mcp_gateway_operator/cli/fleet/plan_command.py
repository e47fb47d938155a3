"""`plan`: what an operator would do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
import msgspec

from mcp_gateway_operator.api.manifests import Manifest
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import Condition, MCPServer
from mcp_gateway_operator.cli.fleet.command import FAILED, NOT_SO, asking, output_option, scope_options
from mcp_gateway_operator.cli.fleet.foresee import Foreseen, Future, Key
from mcp_gateway_operator.cli.fleet.json_answers import FieldChange, PlanAnswer, Planned, Step, say_json
from mcp_gateway_operator.cli.fleet.look_ahead import (
    Settings,
    future_of,
    manifests_in,
    operator_options,
)
from mcp_gateway_operator.cli.fleet.paper_cluster import PLANNED, Platform
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.reads import NOT_READ
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene, with_manifests
from mcp_gateway_operator.cli.fleet.whereabouts import Where, records_of
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import ErrorKind
from mcp_gateway_operator.targets.shape import FieldDiff

LONGEST_VALUE: Final = 160
SIGNS: Final = {
    "create": "+",
    "recreate": "+",
    "update": "~",
    "rename": "~",
    "move": ">",
    "adopt": "<",
    "sync": "~",
    "delete": "-",
    "release": "-",
    "none": " ",
}
"""Everything else is in the way of something: `!`."""
NOT_KNOWN: Final = "not known"
"""The action for an object where the caller may not read enough of it, or of what decides about it."""
NOT_PERMITTED: Final = "not permitted"
NO_CLUSTER: Final = Platform(unknown="with --no-cluster none is read")
_CONFLICTS: Final = frozenset({Reason.NAME_CONFLICT, Reason.DUPLICATE_MARKER, Reason.FOREIGN_MARKER})
_NO_SESSION: Final = frozenset({Reason.ROLE_REFUSED, Reason.WRONG_ACCOUNT_OR_REGION})
_CALLERS_OWN: Final = frozenset(
    {ErrorKind.ACCESS_DENIED, ErrorKind.CREDENTIALS, ErrorKind.TRANSIENT, ErrorKind.THROTTLED}
)
"""What says nothing of the operator: it acts with other credentials than the caller, and from elsewhere."""
_SECRET: Final = ("oauthCustomParameters",)
"""Fields whose values may be nobody's business: they are said to differ."""


@asking(
    "plan",
    examples="""
    plan -A
    plan orders
    plan -f manifests/ --prune
    kustomize build overlays/prod | mcp-gateway-operator plan -f -
    """,
)
@scope_options
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-f", "--filename", "files", multiple=True, help="Manifests to be applied: a file, a directory, -."
)
@click.option("--prune", is_flag=True, help="With -f: delete what is in the namespace and in no manifest.")
@click.option("--no-cluster", is_flag=True, help="With -f: as in a cluster without MCPServers.")
@operator_options
@output_option()
def command(
    *,
    scope: Scope,
    settings: Settings,
    names: tuple[str, ...],
    files: tuple[str, ...],
    output: str,
    **how: bool,
) -> None:
    """Say what an operator that starts now would do at AWS, all its waits over; nothing is written.

    The operator itself runs on a copy: of the MCPServers, with the manifests applied to it, and of the
    targets of their gateways. From AWS, List and Get are enough. What somebody changed in a way that no List
    shows is found by the operator's sweep, and not here. What an MCPGateway does not permit is reported;
    where you may not read MCPGateways, or the labels of namespaces, that is reported instead. What is on a
    gateway of another account than yours is known with --assume-class-roles alone, by the role of its
    MCPGateway.

    Give the operator's own flags where it has any; a default gateway is one.

    Exit status: 0 when nothing would be done, 2 when something would, 1 when that cannot be found out.
    """
    if (how["prune"] or how["no_cluster"]) and not files:
        raise click.UsageError("--prune and --no-cluster are about manifests: give some with -f.")
    bare = how["no_cluster"]
    scene = Scene(platform=NO_CLUSTER) if bare else read_scene(scope, wanted=names, may_miss=bool(files))
    refused: list[Planned] = []
    if files:
        found = [each for each in manifests_in(files) if not names or each.name in names]
        if not found:
            raise click.ClickException("There is no MCPServer in these files. Name those that hold some.")
        why_not = [(each, _why_refused(each)) for each in found]
        refused = [_refused(each, why) for each, why in why_not if why]
        fine = (each for each, why in why_not if not why)
        home = scope.namespace or ("default" if bare else scope.where() or "default")
        with_manifests(scene, fine, namespace=home, prune=how["prune"])
    future = future_of(scene, settings)
    steps: dict[Key, list[Foreseen]] = {}
    for step in future.steps:
        steps.setdefault(step.key, []).append(step)
    keys = sorted(scene.chosen)
    rows = [*refused, *(planned(key, steps.get(key, []), future, scene.platform) for key in keys)]
    notes = list(blind_spots(scene, future.home))
    if output == "json":
        say_json(PlanAnswer(counts=Counter(row.action for row in rows), notes=notes, objects=rows))
    else:
        for line in (*_lines(rows), *notes):
            say(line)
    if refused or any(row.action == NOT_KNOWN for row in rows):
        raise SystemExit(FAILED)
    if any(row.changes for row in rows):
        raise SystemExit(NOT_SO)


def blind_spots(scene: Scene, home: Where | None) -> Iterator[str]:
    """Yield what the caller may not read, and what is not known for it.

    Args:
        scene: what was read.
        home: the account and Region of the caller's credentials, None where AWS did not say.
    """
    if home is not None and (others := _homes(scene) - {home}):
        account, region = min(others)
        yield (
            f"MCPServers record gateways of account {account} and Region {region} by their ids alone, and "
            f"your credentials act in account {home[0]} and Region {home[1]}. What an operator with your "
            "credentials would do is shown: give the operator's --aws-region, and credentials of its account."
        )
    if scene.part:
        yield (
            f"Only the namespace {scene.part} was read, for your account may read no other: whether an "
            "MCPServer elsewhere has a name or a target is not known."
        )
    if scene.platform.unknown:
        yield (
            f"Whether an MCPGateway permits this is not known: {scene.platform.unknown} (the ClusterRole "
            "mcpgateway-viewer-role)."
        )


def _homes(scene: Scene) -> set[Where]:
    """Return the accounts and Regions of gateways that statuses call by their ids: the operator's own."""
    records = (each for obj in scene.servers.values() for each in records_of(obj))
    arns = (GatewayArn.parse(each.gateway_arn) for each in records if ":" not in each.place.gateway_id)
    return {(arn.account, arn.region) for arn in arns if arn is not None}


def planned(key: Key, steps: list[Foreseen], future: Future, platform: Platform) -> Planned:
    """Return what would be done for one object."""
    obj = future.objects.get(key)
    gone = obj is None or bool(obj.metadata.deletion_timestamp)
    ready = _condition(obj, ConditionType.READY)
    permitted = _condition(obj, ConditionType.PERMITTED)
    fine = obj is None or obj.was_ready or obj.metadata.uid.startswith(PLANNED)
    fine = fine and (bool(steps) or obj is None or obj.was_ready)
    says, action = (None, "") if fine else (ready, "")
    if not gone and permitted is not None and permitted.status == "False" and not steps:
        says, action = permitted, NOT_PERMITTED
    if why := not_read(key, future):
        action, message = NOT_KNOWN, why
    elif obj is not None and not gone and (why := _unknown(obj, action, platform)):
        action = NOT_KNOWN
        message = f"{why} {says.message}" if says is not None else f"{why} Its status says what was found."
    else:
        message = says.message if says is not None else ""
    reason = says.reason if says is not None and action != NOT_KNOWN else ""
    last = steps[-1] if steps else None
    where = obj.status.gateway_id if obj is not None else ""
    return Planned(
        namespace=key[0],
        name=key[1],
        action=action or _action(steps, reason, fine=fine),
        gateway=where or (last.gateway_id if last is not None else ""),
        target_id=obj.status.target_id if obj is not None else "",
        reason=reason,
        message=shown(message),
        steps=() if action == NOT_KNOWN else tuple(map(_step, steps)),
    )


def _condition(obj: MCPServer | None, kind: str) -> Condition | None:
    return obj.status.condition(kind) if obj is not None else None


def _unknown(obj: MCPServer, action: str, platform: Platform) -> str:
    """Return why it is not known what an MCPGateway decides about an object, "" where it is."""
    if platform.unknown and obj.spec.gateway_ref is not None:
        return f"MCPGateway {obj.spec.class_name} decides about it: {platform.unknown}."
    if action == NOT_PERMITTED and obj.metadata.namespace in (platform.hidden or ()):
        return f"Your account may not read the labels of namespace {obj.metadata.namespace}. Without them:"
    return ""


def not_read(key: Key, future: Future) -> str:
    """Return why a gateway that an object has to do with could not be looked at, "" where all could be.

    A role that trusts the operator need not trust the caller, nor the other way; and what AWS refuses the
    caller it may give to the operator.
    """
    state = found[0] if (found := future.last.get(key)) is not None else None
    for place, view in state.gateways.items() if state is not None else ():
        if view.error is not None and view.error.code in _NO_SESSION:
            why = view.error.message.partition(f"{NOT_READ}: ")[2] or view.error.message
            return f"Gateway {place.gateway_id} was not looked at: {why}."
        if view.error is not None and view.error.kind in _CALLERS_OWN:
            return f"AWS does not list the targets of gateway {place.gateway_id} for you: {view.error}."
    # Nothing is written here, so what failed was a Get; its advice is about the operator's own rights.
    trouble = state.memory.trouble if state is not None else None
    if trouble is not None and trouble.kind in _CALLERS_OWN:
        return f"GetGatewayTarget fails for you ({trouble.kind.value}), so what differs is not known."
    return ""


def _action(steps: list[Foreseen], reason: str, *, fine: bool) -> str:  # noqa: C901  -- one line a case
    done = [each.step for each in steps]
    updates = [each for each in done if isinstance(each, act.Update)]
    if any(each.aside and isinstance(each.step, act.Create) for each in steps):
        return "move"
    if any(isinstance(each, act.TakeUp) for each in done):
        return "adopt"
    if any(each.cause is act.Cause.ADOPTION for each in updates):
        return "adopt"
    for each in steps:
        if isinstance(each.step, act.Create):
            return "create" if each.state.record is None else "recreate"
    if updates:
        named = any(diff.field == "targetName" for each in updates for diff in each.diffs)
        return "rename" if named else "update"
    for kind, word in ((act.Delete, "delete"), (act.Release, "release"), (act.Synchronize, "sync")):
        if any(isinstance(each, kind) for each in done):
            return word
    if fine:
        return "none"
    if reason in _CONFLICTS:
        return "conflict"
    return NOT_PERMITTED if reason == Reason.ACCESS_DENIED else reason or "waits"


def _step(foreseen: Foreseen) -> Step:
    step = foreseen.step
    told: Step = {"step": type(step).__name__, "gateway": foreseen.gateway_id}
    if isinstance(step, act.Update | act.Synchronize | act.Delete):
        told["targetId"] = step.target_id
    if isinstance(step, act.Update | act.Synchronize):
        told["cause"] = step.cause.value
    if isinstance(step, act.Create):
        told["targetName"] = step.request["name"]
    if isinstance(step, act.Update):
        told["fields"] = [_field(each) for each in step.diffs]
    if isinstance(step, act.Release):
        told["message"] = shown(step.message)
    return told


def _field(diff: FieldDiff) -> FieldChange:
    if diff.field.startswith(_SECRET):
        return {"field": diff.field, "from": "…", "to": "…"}
    return {"field": diff.field, "from": _bare_value(diff.have), "to": _bare_value(diff.want)}


def _bare_value(value: Any) -> Any:
    """Return a value as it may be shown: without the queries of URLs, and with nothing hidden in it."""
    match value:
        case str():
            return shown(value)
        case dict():
            return {shown(str(name)): _bare_value(each) for name, each in value.items()}
        case list() | tuple():
            return [_bare_value(each) for each in value]
        case _:
            return value


def _why_refused(manifest: Manifest) -> str:
    """Return why a manifest cannot be applied, "" where it can."""
    if manifest.problems:
        return "; ".join(map(str, manifest.problems))
    # Admission makes a name of generateName where an object is created, and nothing else can.
    named = manifest.content["metadata"].get("name")
    return "" if named else "metadata.name: required to be applied: write it in place of generateName"


def _refused(manifest: Manifest, message: str) -> Planned:
    return Planned(
        namespace=manifest.namespace,
        name=manifest.name,
        action="refused",
        reason=Reason.VALIDATION_ERROR,
        message=shown(message),
    )


def _lines(rows: list[Planned]) -> Iterator[str]:
    for row in rows:
        if not row.changes:
            continue
        title = f"{row.namespace}/{row.name}" if row.namespace else row.name
        where = f" on {row.gateway}" if row.gateway else ""
        yield f"{SIGNS.get(row.action, '!')} {row.action} {title}{where}"
        yield from details(row)
    counts = Counter(row.action for row in rows)
    unchanged = counts.pop("none", 0)
    parts = [f"{count} {action}" for action, count in sorted(counts.items())]
    yield f"{', '.join(parts) or 'Nothing to do'}; {unchanged} unchanged."


def details(row: Planned) -> Iterable[str]:
    """Yield what there is to say of one row below its line."""
    for step in row.steps:
        for field in step.get("fields", ()):
            yield f"    {field['field']}: {_value(field['from'])} -> {_value(field['to'])}"
    if row.action == "move":
        yield "    " + ", then ".join(f"{each['step']} on {each['gateway']}" for each in row.steps)
    if row.message:
        yield f"    {row.reason}: {row.message}" if row.reason else f"    {row.message}"


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
