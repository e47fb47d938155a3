"""`validate`: check manifests without a cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

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
def command(*, files: tuple[Path, ...], output: str) -> None:
    """Check MCPServers in FILES (YAML or JSON; a directory means the files in it; - is standard input).

    The rules are those of the API server's admission and then those of the operator, so it also finds what a
    cluster admits and AWS refuses. Objects of other kinds are passed over.

    Exit status: 0 when nothing is wrong, 1 when something is.
    """
    checked = [row for file in _expand(files) for row in _check(file)]
    if output == "json":
        click.echo(json.dumps(checked, indent=2))
    else:
        _print(checked)
    if any(row["problems"] for row in checked):
        raise SystemExit(1)


def _expand(files: Iterable[Path]) -> Iterator[Path]:
    for file in files:
        if file.is_dir():
            yield from sorted(each for each in file.iterdir() if each.suffix in _SUFFIXES)
        else:
            yield file


def _check(file: Path) -> Iterator[dict[str, Any]]:
    from mcp_gateway_operator.api.manifests import ManifestError, manifests  # noqa: PLC0415  -- `--help` stays fast

    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        for found in manifests(text):
            yield {
                "file": name,
                "place": found.place,
                "namespace": found.namespace,
                "name": found.name,
                "problems": [{"path": each.path, "message": each.message} for each in found.problems],
            }
    except (ManifestError, UnicodeDecodeError) as error:
        problem = {"path": "", "message": f"not YAML: {error}"}
        yield {"file": name, "place": "", "namespace": "", "name": "", "problems": [problem]}


def _print(checked: list[dict[str, Any]]) -> None:
    for row in checked:
        place = f"{row['file']}, {row['place']}" if row["place"] else row["file"]
        title = "/".join(each for each in (row["namespace"], row["name"]) if each)
        for problem in row["problems"]:
            parts = (place, title, problem["path"], problem["message"])
            click.echo(": ".join(part for part in parts if part))
    bad = sum(1 for row in checked if row["problems"])
    if not checked:
        click.echo("No MCPServer found.")
    elif bad:
        click.echo(f"{bad} of {len(checked)} MCPServers must be corrected.")
    else:
        click.echo(f"{len(checked)} MCPServers are valid." if len(checked) > 1 else "1 MCPServer is valid.")
