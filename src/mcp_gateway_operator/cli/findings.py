"""What `validate` finds in files, as text, JSON, annotations of GitHub Actions, and SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import click

from mcp_gateway_operator import __version__
from mcp_gateway_operator.api.names import CLASS_KIND, KIND
from mcp_gateway_operator.cli.files import STDIN, name_of
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.shown import counted, shown, visible

_RULES: Final = {
    "error": (
        "invalid-mcpserver",
        "The API server, the operator, AWS or an MCPGateway would refuse this.",
    ),
    "warning": ("doubtful-mcpserver", "This is legal, and will most likely not work, or was not checked."),
}
_PLACE: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about a field, or with an empty path about the whole; lines and columns count from 1."""

    path: str
    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An object of ours in a file, or a file that cannot be read as YAML (not `readable`).

    `checked` is not set where the rules were not asked: another project's object, a template of others.
    """

    file: str
    kind: str = KIND
    place: str = ""
    namespace: str = ""
    name: str = ""
    readable: bool = True
    checked: bool = True
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        """Namespace and name, as far as they are given."""
        return "/".join(each for each in (self.namespace, self.name) if each)

    def findings(self) -> Iterator[tuple[Literal["error", "warning"], Finding]]:
        """Yield what was found, with its level."""
        yield from (("error", each) for each in self.problems)
        yield from (("warning", each) for each in self.warnings)


def as_text(rows: list[Row]) -> Iterator[str]:
    """Yield a line for each finding, which begins with `file:line:column` as compilers' do."""
    for row in rows:
        for level, each in row.findings():
            where = f"{name_of(row.file)}:{each.line}:{each.column}"
            parts = (
                where,
                row.place,
                row.title,
                level if level == "warning" else "",
                each.path,
                each.message,
            )
            yield ": ".join(part for part in parts if part)


def as_json(rows: list[Row]) -> str:
    """Return a list of the rows."""
    return json.dumps([_row(row) for row in rows], indent=2)


def _row(row: Row) -> dict[str, Any]:
    return {
        "file": name_of(row.file),
        "place": row.place,
        "kind": row.kind,
        "namespace": row.namespace,
        "name": row.name,
        "readable": row.readable,
        "checked": row.checked,
        **{
            field: [
                {"path": each.path, "message": each.message, "line": each.line, "column": each.column}
                for each in found
            ]
            for field, found in (("problems", row.problems), ("warnings", row.warnings))
        },
    }


def as_annotations(rows: list[Row]) -> Iterator[str]:
    """Yield a workflow command of GitHub Actions for each finding: it is shown beside its line."""
    for row in rows:
        for level, each in row.findings():
            given = {} if row.file == STDIN else {"file": Path(row.file).as_posix()}
            given |= {"line": str(each.line), "col": str(each.column), "title": _about(row) or "Manifest"}
            properties = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in given.items())
            yield f"::{level} {properties}::{_escaped(_sentence(each))}"


def _about(row: Row) -> str:
    return shown(f"{row.kind} {row.title}") if row.title else ""


def _sentence(finding: Finding) -> str:
    return ": ".join(each for each in (finding.path, finding.message) if each)


def _escaped(text: str, more: str = "") -> str:
    """Return a text as the runner reads it back: it ends a command at a line, and a property at , or :."""
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{more}" else each for each in text)


def as_sarif(rows: list[Row]) -> str:
    """Return a log of one run; lines and columns are in characters."""
    rules = [
        {"id": rule, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level}}
        for level, (rule, text) in _RULES.items()
    ]
    driver = {"name": "mcp-gateway-operator", "semanticVersion": __version__, "rules": rules}
    results = [_result(row, level, each) for row in rows for level, each in row.findings()]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _PLACE, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(row: Row, level: str, finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(row.file)},
            "region": {"startLine": finding.line, "startColumn": finding.column},
        }
    }
    if row.title:
        location["logicalLocations"] = [{"fullyQualifiedName": shown(row.title), "kind": "object"}]
    text = ": ".join(each for each in (_about(row), _sentence(finding)) if each)
    return {
        "ruleId": _RULES[level][0],
        "level": level,
        "message": {"text": text},
        "locations": [location],
    }


def _uri(file: str) -> str:
    path = Path(file)
    if file == STDIN:
        return "stdin"
    # By its bytes: a name need not be UTF-8.
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))


def show(rows: list[Row], output: str, *, files: int, strict: bool) -> None:
    """Print what was found, for people with a summary: files, warnings and objects are counted apart."""
    if output == "json":
        click.echo(as_json(rows))
    elif output == "sarif":
        click.echo(as_sarif(rows))
    else:
        if output == "github":
            for line in as_annotations(rows):
                click.echo(visible(line))
        else:
            for line in as_text(rows):
                say(line)
        for line in _summary(rows, files=files, strict=strict):
            click.echo(line)


def _summary(rows: list[Row], *, files: int, strict: bool) -> Iterator[str]:
    unread = sum(1 for row in rows if not row.readable)
    if unread:
        yield f"{unread} of {counted(files, 'file')} could not be read as YAML."
    if warnings := sum(len(row.warnings) for row in rows):
        found = counted(warnings, "warning")
        yield f"{found}, which --strict treats as errors." if strict else f"{found}."
    checked = [row for row in rows if row.readable and row.checked]
    for kind in (KIND, CLASS_KIND):
        same = [row for row in checked if row.kind == kind]
        if bad := sum(1 for row in same if row.problems):
            yield f"{bad} of {counted(len(same), kind)} must be corrected."
        elif same:
            yield f"{counted(len(same), kind)} {'is' if len(same) == 1 else 'are'} valid."
    if not checked:
        yield "No MCPServer was checked."
