"""`status`: all MCPServers in one screen, what is wrong with them first."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import click
import msgspec

from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.names import ACCEPTED
from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking, output_option, scope_options
from mcp_gateway_operator.cli.fleet.json_answers import Room, StatusAnswer, as_json, say_json
from mcp_gateway_operator.cli.fleet.reach import Scope, raw_objects, servers, with_cluster
from mcp_gateway_operator.cli.fleet.tables import fit, on_terminal, width
from mcp_gateway_operator.cli.fleet.view import DEFAULT_GATEWAY, Line, ago, ahead, line_of
from mcp_gateway_operator.cli.fleet.whereabouts import Where, at_home, class_at, short
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster
from mcp_gateway_operator.shown import counted

Classes = dict[str, MCPGateway]

LIMIT: Final = 100
"""Targets that a gateway takes, unless AWS has raised the quota."""
WATCH_SECONDS: Final = 2.0
WATCH_SHARE: Final = 10
"""Between two looks at least so many times what the last one took: a big cluster is asked less often."""
GROUP_ROWS: Final = 6
"""Rows of a group on a terminal."""
LEAST_OBJECTS: Final = 5
"""Objects shown on a terminal, however low it is."""
_ON: Final = "Only those on this gateway, as the table calls it, or of this MCPGateway; may be repeated."


@asking(
    "status",
    examples="""
    status -A
    status -A --reason TargetFailed -o json
    status -n team-a -l app=search --watch
    """,
)
@scope_options
@click.option("--reason", "reasons", multiple=True, help="Only those whose Ready says so; may be repeated.")
@click.option("--gateway", "gateways", multiple=True, help=_ON)
@click.option("-w", "--watch", is_flag=True, help="Look again, until Ctrl-C.")
@output_option()
def command(
    *, scope: Scope, reasons: tuple[str, ...], gateways: tuple[str, ...], watch: bool, output: str
) -> None:
    """Say which MCPServers are Ready, and of the others why not, since when and what happens next.

    They are grouped by reason, gateway with its MCPGateway, and namespace; those that wait longest come
    first. On a terminal it fits one screen; in a pipe nothing is left out.

    Exit status: 0 when all are Ready, 2 when one is not, 1 when that cannot be found out.
    """
    where = scope.where()
    whole = where is None and not (scope.selector or reasons or gateways)

    async def look(cluster: Cluster) -> tuple[list[Line], Classes]:
        there_are = await _classes(cluster)
        arns = {each.name: each.spec.gateway_arn for each in there_are}
        found = servers(cluster, where, labels=scope.selector)
        lines = [line_of(obj, arns) async for obj in found]
        home = _home(lines)
        lines = [_at_home(line, home) for line in lines if not reasons or line.reason in reasons]
        wanted = {at_home(arns.get(each, each), home) for each in gateways}
        lines = [line for line in lines if not wanted or wanted & {line.gateway, short(line.gateway)}]
        return lines, {class_at(each, home): each for each in there_are}

    async def work(cluster: Cluster) -> tuple[list[Line], Classes]:
        shown_last = ""
        while True:
            began = time.monotonic()
            lines, classes = await look(cluster)
            if not watch:
                return lines, classes
            screen = _screen(lines, classes, whole=whole)
            text = as_json(_answer(lines, classes)) if output == "json" else "\n".join(screen)
            if text != shown_last:
                if on_terminal():
                    click.clear()
                click.echo(text)
            shown_last = text
            await asyncio.sleep(max(WATCH_SECONDS, WATCH_SHARE * (time.monotonic() - began)))

    lines, classes = with_cluster(scope, work)
    if output == "json":
        say_json(_answer(lines, classes))
    else:
        for text in _screen(lines, classes, whole=whole):
            click.echo(text)
    if not all(line.ready for line in lines):
        raise SystemExit(NOT_SO)


async def _classes(cluster: Cluster) -> list[MCPGateway]:
    """Return the MCPGateways that the operator works by; none where they may not be read."""
    try:
        found = [decode_gateway(raw) async for raw in raw_objects(cluster, MCPGATEWAYS, None)]
    except ApiError:
        return []
    return [each for each in found if (told := each.condition(ACCEPTED)) and told.status == "True"]


def _home(lines: Iterable[Line]) -> Where | None:
    """Return the operator's own account and Region: in statuses an id alone is there."""
    found = (GatewayArn.parse(line.gateway_arn) for line in lines if ":" not in line.gateway)
    return next(((arn.account, arn.region) for arn in found if arn is not None), None)


def _at_home(line: Line, home: Where | None) -> Line:
    """Return a line whose gateway is called as the operator would record it."""
    if line.recorded or (gateway := at_home(line.gateway, home)) == line.gateway:
        return line
    return msgspec.structs.replace(line, gateway=gateway)


def _answer(lines: list[Line], classes: Classes) -> StatusAnswer:
    return StatusAnswer(
        total=len(lines),
        ready=sum(line.ready for line in lines),
        reasons=Counter(line.reason for line in lines if not line.ready),
        gateways=[
            Room(gateway=gateway_id, mcp_gateway=each.name, targets=each.status.targets)
            for gateway_id, each in sorted(classes.items())
        ],
        objects=lines,
    )


def _screen(lines: list[Line], classes: Classes, *, whole: bool) -> Iterator[str]:
    """Yield the lines to print.

    Args:
        lines: the objects.
        classes: the MCPGateways by gateway.
        whole: these are all objects of the cluster, so that the targets of a gateway can be counted.
    """
    if not lines:
        yield "No MCPServer found. Look in all namespaces with -A, or check -l, --reason and --gateway."
        return
    now, broad = datetime.now(UTC), width()
    late = sorted((line for line in lines if not line.ready), key=lambda line: line.since or "~")
    yield f"{counted(len(lines), 'MCPServer')}: {len(lines) - len(late)} Ready, {len(late)} not."
    told = 1
    for table, flexible in (
        (_by_reason(late, now), [4]),
        (_by_gateway(lines, classes, whole=whole), [0, 4] if classes else [0]),
        (_by_place("NAMESPACE", lines, lambda line: line.namespace), [0]),
    ):
        if len(table) > 1:
            yield ""
            yield from (shown := _first(fit(table, broad, flexible=flexible), GROUP_ROWS))
            told += len(shown) + 1
    if late:
        yield ""
        room = shutil.get_terminal_size().lines - told - 4
        rows = fit(_objects(late, now), broad, flexible=[4, 0])
        yield from _first(rows, max(LEAST_OBJECTS, room))


def _first(rows: list[str], most: int) -> list[str]:
    """Return the title and so many rows on a terminal, and how many there are beside them; else all."""
    more = len(rows) - 1 - most
    if more <= 0 or not on_terminal():
        return rows
    return [*rows[: most + 1], f"... and {more} more (`| less` shows all)"]


def _by_reason(late: list[Line], now: datetime) -> list[tuple[str, ...]]:
    groups: dict[str, list[Line]] = {}
    for line in late:
        groups.setdefault(line.reason, []).append(line)
    table = [("REASON", "OBJECTS", "OLDEST", "NEXT TRY", "THE OLDEST SAYS")]
    for reason, group in sorted(groups.items(), key=lambda each: (-len(each[1]), each[0])):
        soonest = min((line.next_try for line in group if line.next_try), default="")
        oldest = group[0]
        table.append((reason, str(len(group)), ago(oldest.since, now), ahead(soonest, now), oldest.message))
    return list(table)


def _by_gateway(lines: list[Line], classes: Classes, *, whole: bool) -> list[tuple[str, ...]]:
    """Return the gateways, with how full they are where that is known, and their MCPGateways."""
    (*titles,), *rows = _by_place("GATEWAY", lines, lambda line: line.gateway)
    table = [(*titles, *(("MCPGATEWAY",) if classes else ()))]
    for gateway_id, ready, late, used in rows:
        governed = classes.get(gateway_id)
        counts = governed.status.targets if governed is not None else None
        if counts is not None:
            used = f"{counts.used}/{counts.limit or LIMIT}"  # noqa: PLW2901  -- whoever made them
        elif whole and gateway_id != DEFAULT_GATEWAY:
            used = f"{used}/{LIMIT}"  # noqa: PLW2901  -- as far as MCPServers tell
        name = (governed.name if governed is not None else "-",) if classes else ()
        table.append((short(gateway_id), ready, late, used, *name))
    return table


def _by_place(title: str, lines: Iterable[Line], place: Callable[[Line], str]) -> list[tuple[str, ...]]:
    ready, late, targets = Counter[str](), Counter[str](), Counter[str]()
    for line in lines:
        (ready if line.ready else late)[place(line)] += 1
        targets[place(line)] += line.recorded
    places = sorted(targets, key=lambda each: (-late[each], -targets[each], each))
    rows = ((each, str(ready[each]), str(late[each]), str(targets[each])) for each in places)
    return [(title, "READY", "NOT READY", "TARGETS"), *rows]


def _objects(late: list[Line], now: datetime) -> list[tuple[str, ...]]:
    table = [("NOT READY", "REASON", "SINCE", "NEXT TRY", "MESSAGE")]
    table += [
        (line.title, line.reason, ago(line.since, now), ahead(line.next_try, now), line.message)
        for line in late
    ]
    return list(table)
