"""`run --dry-run`: the operator's decisions in its log, and nothing written anywhere."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any, Final

import click
import msgspec
import structlog

from mcp_gateway_operator.cli.fleet.aws import reading
from mcp_gateway_operator.cli.fleet.foresee import Foreseen, Future, Key, foresee
from mcp_gateway_operator.cli.fleet.json_answers import Planned, Step
from mcp_gateway_operator.cli.fleet.plan_command import blind_spots, planned
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.scene import Scene, whole_scene
from mcp_gateway_operator.cli.process import ProcessOptions, operator_config
from mcp_gateway_operator.shown import shown

_NO_OWNER: Final = (
    "The namespace kube-system cannot be read, so targets would carry no ownership marker: allow get on it "
    "(the chart does), or set --owner-id."
)

log = structlog.get_logger(__name__)


def decide(options: ProcessOptions) -> None:
    """Log what an operator with these flags would do, all its waits over.

    Raises:
        SystemExit: that cannot be found out; the last line of the log says why.
    """
    # A container's first process does not end at SIGTERM by itself.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        scene = whole_scene(
            Scope(kubeconfig=options.kubeconfig, context=options.context), options.watch_namespaces
        )
        future = foresee(
            scene.objects.values(),
            config=operator_config(options),
            aws=reading(options.aws_region, assume=True),
            owner=scene.owner,
            schema=scene.schema,
            platform=scene.platform,
        )
    except click.ClickException as error:
        log.error(error.format_message())  # noqa: TRY400  -- the sentence is for the user
        raise SystemExit(1) from error
    _tell(options, scene, future)


def _tell(options: ProcessOptions, scene: Scene, future: Future) -> None:
    for line in blind_spots(scene, future.home):
        log.warning(line)
    if not scene.owner and not options.owner_id:
        log.warning(_NO_OWNER)
    for (namespace, name), why in scene.unread.items():
        log.warning("would leave alone what cannot be read", namespace=namespace, name=name, error=shown(why))
    steps: dict[Key, list[Foreseen]] = {}
    for step in future.steps:
        steps.setdefault(step.key, []).append(step)
    counts = Counter[str]()
    for key in sorted(scene.chosen):
        row = planned(key, steps.get(key, []), future, scene.platform)
        counts[row.action] += 1
        _tell_one(row, scene, future)
    for each in future.classes:
        before = scene.classes.get(each.name)
        if before is not None and before.metadata.finalizers != each.metadata.finalizers:
            log.info("would write", kind="MCPGateway", name=each.name, what=["finalizers"])
    changes = {action: count for action, count in sorted(counts.items()) if action != "none"}
    log.info(
        "dry run: nothing was written", objects=len(scene.chosen), changes=changes, unchanged=counts["none"]
    )


def _tell_one(row: Planned, scene: Scene, future: Future) -> None:
    """Log the writes to AWS and to Kubernetes for one object, and how it would end."""
    about = log.bind(namespace=row.namespace, name=row.name)
    if written := _kubernetes_writes((row.namespace, row.name), scene, future):
        about.info("would write", kind="MCPServer", what=written)
    for step in row.steps:
        about.info(f"would {step['step'].lower()}", **_fields(step))
    if row.message:
        about.warning("would say", action=row.action, reason=row.reason, message=row.message)


def _fields(step: Step) -> dict[str, Any]:
    """Return what there is to log of a step."""
    names = {"gateway": "gateway", "targetId": "target", "targetName": "target_name", "cause": "cause"}
    told = {names[key]: value for key, value in step.items() if key in names}
    if fields := step.get("fields"):
        said = (msgspec.json.encode([each["from"], each["to"]]).decode() for each in fields)
        told["fields"] = {each["field"]: text for each, text in zip(fields, said, strict=True)}
    return told | ({"why": step["message"]} if "message" in step else {})


def _kubernetes_writes(key: Key, scene: Scene, future: Future) -> list[str]:
    """Return which parts of an object would be written."""
    before, after = scene.servers[key], future.objects.get(key)
    if after is None:
        return ["finalizers"]
    parts = {
        "finalizers": before.metadata.finalizers != after.metadata.finalizers,
        "annotations": before.metadata.annotations != after.metadata.annotations,
        "status": before.status != after.status,
    }
    return [part for part, changed in parts.items() if changed]
