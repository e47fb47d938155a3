"""`retry`, `pause`, `resume` and `sync`: annotations on MCPServers, all that these commands ever write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import click

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.choose import Choice, choice_of, choice_options
from mcp_gateway_operator.cli.fleet.command import FAILED, Asking, asking
from mcp_gateway_operator.cli.fleet.reach import Scope, refuse, with_cluster
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, PatchType

AT_A_TIME: Final = 8
"""Writes under way: an API server gives one client some fifty a second."""


def _now() -> str:
    # To the microsecond: a value that is there already would ask for nothing.
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _write(cluster: Cluster, obj: MCPServer, annotation: str, value: str | None) -> str:
    """Annotate one object; return why that failed, or ""."""
    namespace, name = obj.key
    patch = {"metadata": {"annotations": {annotation: value}}}
    try:
        await cluster.patch(MCPSERVERS, namespace, name, patch, kind=PatchType.MERGE)
    except ApiError as error:
        if error.not_found:
            return "it is gone"
        if error.forbidden or error.unavailable:
            refuse(error)
        return error.message
    return ""


async def _annotate(
    cluster: Cluster,
    choice: Choice,
    *,
    annotation: str,
    value: Callable[[], str | None],
    done: str,
    dry: bool,
) -> int:
    """Annotate what is chosen, and say it; return the exit status."""
    found = await choice.objects(cluster)
    wanted = value()
    change = [obj for obj in found if obj.metadata.annotations.get(annotation) != wanted]
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(obj: MCPServer) -> str:
        async with gate:
            why = "" if dry else await _write(cluster, obj, annotation, wanted)
        title = "/".join(obj.key)
        say(f"{title}: {why}" if why else f"{title} {done}{' (dry run)' if dry else ''}", err=bool(why))
        return why

    failed = sum(map(bool, await asyncio.gather(*map(one, change))))
    if already := len(found) - len(change):
        say(f"{already} {'was' if already == 1 else 'were'} so already.")
    return FAILED if failed else 0


def _command(
    name: str, *, annotation: str, value: Callable[[], str | None], done: str, doc: str, examples: str
) -> Asking:
    def run(*, scope: Scope, dry_run: bool, **given: Any) -> None:
        choice = choice_of(scope, **given)
        work = partial(_annotate, choice=choice, annotation=annotation, value=value, done=done, dry=dry_run)
        if status := with_cluster(scope, work):
            raise SystemExit(status)

    run.__doc__ = doc
    dry = click.option("--dry-run", is_flag=True, help="Say which, and write nothing.")
    return asking(name, examples=examples)(choice_options(dry(run)))


retry = _command(
    "retry",
    annotation=names.RECONCILE_ANNOTATION,
    value=_now,
    done="is looked at again",
    doc="""Have the operator look again now, without waiting for its next try.

    Sets the annotation mcpgateway.bedrock.aws/reconcile-requested-at. Everything is compared again, and a
    failed target is repaired at once. Nothing is written where nothing differs.

    Exit status: 0, or 1 when one could not be annotated.
    """,
    examples="""
    retry orders
    retry -A --reason TargetFailed
    """,
)
pause = _command(
    "pause",
    annotation=names.PAUSED_ANNOTATION,
    value=lambda: "true",
    done="is paused: nothing is written to AWS for it",
    doc="""Have the operator write nothing to AWS for these, until `resume`.

    Sets the annotation mcpgateway.bedrock.aws/paused. Targets stay as they are.

    Exit status: 0, or 1 when one could not be annotated.
    """,
    examples="""
    pause orders
    pause -n team-a
    pause --all -A --dry-run
    """,
)
resume = _command(
    "resume",
    annotation=names.PAUSED_ANNOTATION,
    value=lambda: None,
    done="is managed again",
    doc="""Take back `pause`.

    Removes the annotation mcpgateway.bedrock.aws/paused; what differs by then is corrected.

    Exit status: 0, or 1 when one could not be annotated.
    """,
    examples="""
    resume orders
    resume -A --reason Paused
    """,
)
sync = _command(
    "sync",
    annotation=names.SYNC_ANNOTATION,
    value=_now,
    done="has its tools indexed again",
    doc="""Have AWS read the tools of these servers again, after the servers have changed.

    Sets the annotation mcpgateway.bedrock.aws/sync-requested-at. For a target that waits for a person's
    consent it makes a new address to consent at.

    Exit status: 0, or 1 when one could not be annotated.
    """,
    examples="""
    sync orders
    sync -n team-a -l app=search
    """,
)
