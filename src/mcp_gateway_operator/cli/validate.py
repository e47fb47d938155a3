"""`validate`: check manifests without a cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import shown

_EXAMPLE = """
\b
Examples:
  mcp-gateway-operator validate servers.yaml config/samples
  kustomize build overlays/prod | mcp-gateway-operator validate -
"""
_SUFFIXES = {".yaml", ".yml", ".json"}


@click.command("validate", epilog=_EXAMPLE)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path)
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--allow-empty", is_flag=True, help="Take files without any MCPServer for valid.")
def command(*, files: tuple[Path, ...], output: str, allow_empty: bool) -> None:
    """Check MCPServers in FILES (YAML or JSON; a directory means the files in it; - is standard input).

    The rules are those of the API server's admission and then those of the operator, so it also finds what a
    cluster admits and AWS refuses. A warning names what is legal and will most likely not work. Objects of
    other kinds are passed over; MCPServers of other projects, too, which is said.

    Exit status: 0 when nothing is wrong, 1 when something is, or when there is no MCPServer at all.
    """
    rows = [row for file in _expand(files) for row in _check(file)]
    empty = not any(row["checked"] for row in rows)
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)
    if empty and not allow_empty:
        click.echo(
            f"No MCPServer found in {', '.join(map(_name, files))}, so nothing was checked. Name the files "
            "that hold them, or give --allow-empty where there may be none.",
            err=True,
        )
    if any(row["problems"] for row in rows) or (empty and not allow_empty):
        raise SystemExit(1)


def _expand(files: Iterable[Path]) -> Iterator[Path]:
    for file in files:
        if file.is_dir():
            yield from sorted(each for each in file.iterdir() if each.suffix in _SUFFIXES)
        else:
            yield file


def _name(file: Path) -> str:
    return "standard input" if str(file) == "-" else str(file)


def _check(file: Path) -> Iterator[dict[str, Any]]:
    from mcp_gateway_operator.api.manifests import (  # noqa: PLC0415  -- `--help` stays fast
        Foreign,
        ManifestError,
        servers,
    )

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        for found in servers(text):
            if isinstance(found, Foreign):
                message = f"not checked: {found.api_version} is another project's MCPServer"
                warnings, problems = [{"path": "apiVersion", "message": message}], []
            else:
                warnings, problems = _plain(found.warnings), _plain(found.problems)
            yield {
                "file": _name(file),
                "place": found.place,
                "namespace": found.namespace,
                "name": found.name,
                "checked": not isinstance(found, Foreign),
                "problems": problems,
                "warnings": warnings,
            }
    except (ManifestError, UnicodeDecodeError) as error:
        yield {
            "file": _name(file),
            "place": "",
            "namespace": "",
            "name": "",
            "checked": True,
            "problems": [{"path": "", "message": shown(f"not YAML: {' '.join(str(error).split())}")}],
            "warnings": [],
        }


def _plain(found: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": shown(each.path), "message": shown(each.message)} for each in found]


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        place = f"{row['file']}, {row['place']}" if row["place"] else row["file"]
        title = "/".join(each for each in (row["namespace"], row["name"]) if each)
        for kind, found in (("", row["problems"]), ("warning", row["warnings"])):
            for each in found:
                parts = (place, title, kind, each["path"], each["message"])
                say(": ".join(part for part in parts if part))
    checked = [row for row in rows if row["checked"]]
    bad = sum(1 for row in checked if row["problems"])
    if bad:
        click.echo(f"{bad} of {len(checked)} MCPServers must be corrected.")
    elif checked:
        click.echo(f"{len(checked)} MCPServers are valid." if len(checked) > 1 else "1 MCPServer is valid.")
    else:
        click.echo("No MCPServer was checked.")
