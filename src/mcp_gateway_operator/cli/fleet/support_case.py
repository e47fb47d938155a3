"""`report`: what a support case needs in one archive, without secrets and of bounded size."""

from __future__ import annotations

import io
import os
import platform
import sys
import tarfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from mcp_gateway_operator import __version__
from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet import redact
from mcp_gateway_operator.cli.fleet.aws import TELL_AFTER
from mcp_gateway_operator.cli.fleet.command import asking, scope_options
from mcp_gateway_operator.cli.fleet.debug import OPERATORS, PODS, NoAnswerError, debug_option, reached
from mcp_gateway_operator.cli.fleet.doctor import Extent, findings_of
from mcp_gateway_operator.cli.fleet.json_answers import as_json
from mcp_gateway_operator.cli.fleet.look_ahead import Settings, operator_options
from mcp_gateway_operator.cli.fleet.reach import Scope, raw_objects, with_cluster
from mcp_gateway_operator.cli.fleet.tables import is_terminal
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.classes import MCPGATEWAYS
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import EVENTS, LEASES, ApiError, Cluster, Resource
from mcp_gateway_operator.runtime.metrics_server import PATH as METRICS
from mcp_gateway_operator.shown import counted, shown

MOST: Final = 2000
"""Objects, and Events, in the archive; how many there are beside them is told."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of one file of the archive; what is longer is cut, and says so."""
PODS_LOGGED: Final = 5
LOG_LINES: Final = 3000
LOG_BYTES: Final = 1024 * 1024
ASKED: Final = 20
"""Objects that are not Ready of which the operator itself is asked."""
_KINDS: Final = {names.KIND, names.CLASS_KIND, "Lease"}
_README: Final = """\
A support case of the MCP Gateway Operator, made by `mcps report`.

Left out: queries of URLs, users in them, values of oauthCustomParameters and tags, external ids,
descriptions, inline tool schemas, values of labels and of annotations of others, fields that this version
does not know, environment variables, and whatever looks like a token, a key or a password. Look through it
before you send it: names of objects, hosts and accounts are in it.

What could not be read:
"""


@asking(
    "report",
    examples="""
    report -A
    report -n team-a --file case-4711.tar.gz
    """,
)
@scope_options
@click.option("--file", "file", default="", help="Where to write it; else mcps-report-TIME.tar.gz here.")
@operator_options
@debug_option
def command(*, scope: Scope, settings: Settings, file: str, debug_address: str) -> None:
    """Write what a support case needs into an archive: redacted, a few MB at most, nothing in the cluster.

    It holds versions, the operator's settings, the served schemas, specs and statuses of MCPServers and
    MCPGateways, Events, Leases, the operator's logs, the findings of `doctor`, and what the operator says on
    its metrics port. What you may not read is left out, and README.txt says so. Secrets are not in it;
    README.txt says what else is not.

    Exit status: 0, or 1 when the cluster cannot be reached or the file not be written.
    """
    now = datetime.now(UTC)
    path = Path(file or f"mcps-report-{now:%Y%m%d-%H%M%S}.tar.gz")
    where = scope.where()
    archive = _Archive()
    late: list[tuple[str, str]] = []
    with_cluster(scope, partial(_from_cluster, archive=archive, scope=scope, where=where, late=late))
    archive.begin("findings of doctor")
    extent = Extent(address=debug_address)
    try:
        archive.add("doctor.json", redact.value(msgspec.to_builtins(findings_of(scope, settings, extent))))
    except click.ClickException as error:
        archive.missing.append(f"findings of doctor: {error.format_message()}")
    _from_operator(archive, scope, debug_address, late)
    size = _write(path, archive, now)
    kib = max(1, size // 1024)
    say(f"{path} holds {counted(len(archive.files) + 1, 'file')}, {kib} KiB. Look through it, then send it.")
    for each in archive.missing:
        say(f"Left out: {each}", err=True)


class _Archive:
    """The files to be, and what is not in them.

    Attributes:
        files: text by name.
        missing: sentences about what could not be read.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.missing: list[str] = []
        self._began = time.monotonic()

    def begin(self, part: str) -> None:
        """Tell a person what is read, when it takes long."""
        if is_terminal(sys.stderr) and time.monotonic() - self._began > TELL_AFTER:
            click.echo(f"Reading {part} ...", err=True)

    def add(self, name: str, content: object) -> None:
        """Put a JSON value, or a text, into a file."""
        text = content if isinstance(content, str) else as_json(content)
        if len(text) > MOST_BYTES:
            text = f"{text[:MOST_BYTES]}\n... cut here, of {len(text)} characters\n"
        self.files[name] = text

    def left_out(self, part: str, error: ApiError) -> None:
        """Note what the API server refuses."""
        self.missing.append(f"{part}: {shown(error.message)}")


async def _from_cluster(
    cluster: Cluster, *, archive: _Archive, scope: Scope, where: str | None, late: list[tuple[str, str]]
) -> None:
    archive.add("versions.json", await _versions(cluster))
    parts: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("schema.json", partial(_schema, cluster)),
        ("mcpservers.json", partial(_servers, cluster, scope, where, late)),
        ("mcpgateways.json", partial(_some, cluster, MCPGATEWAYS, None, redact.gateway)),
        ("events.json", partial(_some, cluster, EVENTS, where, _event)),
        ("leases.json", partial(_some, cluster, LEASES, where, _lease)),
    )
    for name, read in parts:
        archive.begin(name)
        try:
            archive.add(name, await read())
        except ApiError as error:
            if name == "mcpservers.json" and not (error.forbidden or error.not_found):
                raise
            archive.left_out(name, error)
    await _pods(cluster, archive)


async def _versions(cluster: Cluster) -> dict[str, Any]:
    try:
        server = msgspec.json.decode(await cluster.get_path("/version"))
    except ApiError as error:
        if not error.forbidden:
            raise
        server = {}
    return {
        "mcps": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "kubernetes": redact.value(server),
    }


async def _schema(cluster: Cluster) -> Any:
    return redact.value(msgspec.json.decode(await cluster.get_path(PATH)))


async def _servers(
    cluster: Cluster, scope: Scope, where: str | None, late: list[tuple[str, str]]
) -> dict[str, Any]:
    """Return MCPServers, those first that are not Ready, whose names go into `late`."""
    first: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    total = 0
    async for raw in raw_objects(cluster, MCPSERVERS, where, labels=scope.selector):
        total += 1
        if len(first) >= MOST:
            continue
        obj = redact.server(msgspec.json.decode(raw))
        kind = rest if _ready(obj) else first
        if len(kind) < MOST:
            kind.append(obj)
    late += [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in first[:ASKED]]
    kept = [*first, *rest][:MOST]
    return {"total": total, "left_out": total - len(kept), "items": kept}


def _ready(obj: dict[str, Any]) -> bool:
    conditions = (obj["status"] or {}).get("conditions") if isinstance(obj["status"], dict) else ()
    return any(
        isinstance(each, dict) and (each.get("type"), each.get("status")) == ("Ready", "True")
        for each in conditions or ()
    )


async def _some(
    cluster: Cluster,
    resource: Resource,
    where: str | None,
    redacted: Callable[[dict[str, Any]], dict[str, Any] | None],
) -> dict[str, Any]:
    """Return objects of a kind; `redacted` gives None for those that have nothing to do with it."""
    kept = deque[dict[str, Any]](maxlen=MOST)
    total = 0
    async for raw in raw_objects(cluster, resource, where):
        if (found := redacted(msgspec.json.decode(raw))) is not None:
            total += 1
            kept.append(found)
    return {"total": total, "left_out": total - len(kept), "items": list(kept)}


def _event(obj: dict[str, Any]) -> dict[str, Any] | None:
    about = obj.get("regarding") or obj.get("involvedObject") or {}
    if about.get("kind") not in _KINDS:
        return None
    kept = ("type", "reason", "action", "note", "message", "eventTime", "lastTimestamp", "series", "count")
    return redact.fields({"about": about, **{name: obj[name] for name in kept if obj.get(name)}})


def _lease(obj: dict[str, Any]) -> dict[str, Any] | None:
    name = str(obj["metadata"]["name"])
    ours = name == names.LEASE_NAME or names.GUARD_NAME in name
    place = {part: obj["metadata"].get(part) for part in ("namespace", "name")}
    return redact.fields({**place, "spec": obj.get("spec")}) if ours else None


async def _pods(cluster: Cluster, archive: _Archive) -> None:
    """Add the operator's settings and logs."""
    archive.begin("settings and logs")
    try:
        page = await cluster.list(PODS, labels=OPERATORS)
    except ApiError as error:
        archive.left_out("the operator's settings and logs", error)
        return
    pods = [msgspec.json.decode(raw) for raw in page.items][:PODS_LOGGED]
    archive.add("settings.json", [_settings(pod) for pod in pods])
    async for name, text in _logs(cluster, pods, archive):
        archive.add(name, text)


def _settings(pod: dict[str, Any]) -> dict[str, Any]:
    """Return how an operator's pod was started, and how it fares."""
    containers = pod["spec"].get("containers", ())
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return {
        "pod": f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
        "containers": [
            {
                "image": redact.text(str(each.get("image", ""))),
                "args": redact.value(each.get("args", [])),
                "environment": sorted(str(variable.get("name")) for variable in each.get("env", ())),
                "resources": redact.value(each.get("resources")),
            }
            for each in containers
        ],
        "phase": pod.get("status", {}).get("phase"),
        "restarts": [each.get("restartCount") for each in statuses],
        "states": redact.value([[each.get("state"), each.get("lastState")] for each in statuses]),
    }


async def _logs(
    cluster: Cluster, pods: Iterable[dict[str, Any]], archive: _Archive
) -> AsyncIterator[tuple[str, str]]:
    for pod in pods:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        statuses = pod.get("status", {}).get("containerStatuses", ())
        restarted = any(each.get("restartCount") for each in statuses)
        for previous in ("", "&previous=true") if restarted else ("",):
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
            path = f"{path}?tailLines={LOG_LINES}&limitBytes={LOG_BYTES}"
            try:
                body = await cluster.get_path(path + previous)
            except ApiError as error:
                archive.left_out(f"the log of {namespace}/{name}", error)
                continue
            kind = "previous.log" if previous else "log"
            yield f"logs/{namespace}-{name}.{kind}", redact.text(body.decode(errors="replace"))


def _from_operator(archive: _Archive, scope: Scope, address: str, late: list[tuple[str, str]]) -> None:
    """Add what the operator says on its metrics port."""
    archive.begin("the operator's metrics port")
    try:
        with reached(scope, address) as operator:
            told = {}
            for namespace, name in late:
                try:
                    told[f"{namespace}/{name}"] = msgspec.to_builtins(operator.about(namespace, name))
                except NoAnswerError as error:
                    archive.missing.append(f"what the operator says of {namespace}/{name}: {error}")
                    break
            archive.add("decisions.json", redact.value(told))
            archive.add("metrics.txt", redact.text(operator.ask(METRICS).decode(errors="replace")))
    except (NoAnswerError, click.ClickException) as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        archive.missing.append(f"what the operator says on its metrics port: {words}")


def _write(path: Path, archive: _Archive, now: datetime) -> int:
    """Write the archive, which only its author may read, and return its size."""
    readme = _README + "\n".join(f"- {each}" for each in archive.missing or ["nothing"]) + "\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name, text in {"README.txt": readme, **archive.files}.items():
                body = text.encode("utf-8", "backslashreplace")
                entry = tarfile.TarInfo(f"mcps-report/{name}")
                entry.size, entry.mtime, entry.mode = len(body), int(now.timestamp()), 0o600
                tar.addfile(entry, io.BytesIO(body))
        return path.stat().st_size
    except FileExistsError as error:
        raise click.ClickException(f"{path} is there already: name another --file.") from error
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}. Name another --file."
        ) from error
