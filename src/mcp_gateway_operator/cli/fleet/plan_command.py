"""`plan`: what an operator would do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
import msgspec

from mcp_gateway_operator.api.manifests import Manifest
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.spec import GatewayRef
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.command import FAILED, NOT_SO, asking, output_option, scope_options
from mcp_gateway_operator.cli.fleet.foresee import Foreseen, Future, Key
from mcp_gateway_operator.cli.fleet.look_ahead import (
    Scene,
    Settings,
    future_of,
    manifests_in,
    operator_options,
    read_scene,
    with_manifests,
)
from mcp_gateway_operator.cli.fleet.paper_cluster import PLANNED
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import shown
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.shape import FieldDiff

SCHEMA: Final = "mcps.plan/v1"
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
"""The action for an object about which an MCPGateway decides: these are not read here."""
_CONFLICTS: Final = frozenset({Reason.NAME_CONFLICT, Reason.DUPLICATE_MARKER, Reason.FOREIGN_MARKER})
_SECRET: Final = ("oauthCustomParameters",)
"""Fields whose values may be nobody's business: they are said to differ."""


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What would be done for one object, and how it would end."""

    namespace: str
    name: str
    action: str
    gateway: str = ""
    target_id: str = ""
    reason: str = ""
    message: str = ""
    steps: tuple[dict[str, Any], ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything would be done, or something is in the way."""
        return self.action != "none"


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
    shows is found by the operator's sweep, and not here. MCPGateways are not read: of an object that names
    one it says so, and of no other whether one permits it.

    Give the operator's own flags where it has any; a default gateway is one.

    Exit status: 0 when nothing would be done, 2 when something would, 1 when that cannot be found out.
    """
    if (how["prune"] or how["no_cluster"]) and not files:
        raise click.UsageError("--prune and --no-cluster are about manifests: give some with -f.")
    scene = Scene() if how["no_cluster"] else read_scene(scope, wanted=names, may_miss=bool(files))
    refused: list[Planned] = []
    if files:
        found = [each for each in manifests_in(files) if not names or each.name in names]
        if not found:
            raise click.ClickException("There is no MCPServer in these files. Name those that hold some.")
        why_not = [(each, _why_refused(each)) for each in found]
        refused = [_refused(each, why) for each, why in why_not if why]
        fine = (each for each, why in why_not if not why)
        home = scope.namespace or ("default" if how["no_cluster"] else scope.where() or "default")
        with_manifests(scene, fine, namespace=home, prune=how["prune"])
    future = future_of(scene, settings)
    steps: dict[Key, list[Foreseen]] = {}
    for step in future.steps:
        steps.setdefault(step.key, []).append(step)
    rows = [*refused, *(planned(key, steps.get(key, []), future) for key in sorted(scene.chosen))]
    if output == "json":
        click.echo(_as_json(rows))
    else:
        for line in _lines(rows):
            say(line)
    if refused or any(row.action == NOT_KNOWN for row in rows):
        raise SystemExit(FAILED)
    if any(row.changes for row in rows):
        raise SystemExit(NOT_SO)


def planned(key: Key, steps: list[Foreseen], future: Future) -> Planned:
    """Return what would be done for one object."""
    obj = future.objects.get(key)
    if obj is not None and obj.spec.gateway_ref is not None and not obj.metadata.deletion_timestamp:
        return _not_known(obj, obj.spec.gateway_ref)
    ready = obj.status.condition(ConditionType.READY) if obj is not None else None
    fine = obj is None or obj.was_ready or obj.metadata.uid.startswith(PLANNED)
    fine = fine and (bool(steps) or obj is None or obj.was_ready)
    reason = ready.reason if ready is not None and not fine else ""
    message = ready.message if ready is not None and not fine else ""
    last = steps[-1] if steps else None
    where = obj.status.gateway_id if obj is not None else ""
    return Planned(
        namespace=key[0],
        name=key[1],
        action=_action(steps, reason, fine=fine),
        gateway=where or (last.gateway_id if last is not None else ""),
        target_id=obj.status.target_id if obj is not None else "",
        reason=reason,
        message=shown(message),
        steps=tuple(map(_step, steps)),
    )


def _not_known(obj: MCPServer, ref: GatewayRef) -> Planned:
    return Planned(
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        action=NOT_KNOWN,
        gateway=obj.status.gateway_id,
        target_id=obj.status.target_id,
        message=shown(
            f"MCPGateway {ref.name} decides about it, and MCPGateways are not read here: its status says "
            "what the operator found."
        ),
    )


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
        names = any(diff.field == "targetName" for each in updates for diff in each.diffs)
        return "rename" if names else "update"
    for kind, word in ((act.Delete, "delete"), (act.Release, "release"), (act.Synchronize, "sync")):
        if any(isinstance(each, kind) for each in done):
            return word
    if fine:
        return "none"
    if reason in _CONFLICTS:
        return "conflict"
    return "not permitted" if reason == Reason.ACCESS_DENIED else reason or "waits"


def _step(foreseen: Foreseen) -> dict[str, Any]:
    step = foreseen.step
    told: dict[str, Any] = {"step": type(step).__name__, "gateway": foreseen.gateway_id}
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


def _field(diff: FieldDiff) -> dict[str, Any]:
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


def _as_json(rows: list[Planned]) -> str:
    answer = {"schema": SCHEMA, "counts": Counter(row.action for row in rows), "objects": rows}
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()


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
            old, new = (_value(field[side]) for side in ("from", "to"))
            yield f"    {field['field']}: {old} -> {new}"
    if row.action == "move":
        yield "    " + ", then ".join(f"{each['step']} on {each['gateway']}" for each in row.steps)
    if row.message:
        yield f"    {row.reason}: {row.message}" if row.reason else f"    {row.message}"


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
