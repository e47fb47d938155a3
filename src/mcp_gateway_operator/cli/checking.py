"""Our objects in files, checked; a Helm template is told as such, whether it can be read as YAML or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.manifests import Foreign, Manifest, ManifestError, Namespace, objects
from mcp_gateway_operator.api.positions import FIRST, Lines, Position
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.cli.beside import Beside
from mcp_gateway_operator.cli.files import template_in, text_of
from mcp_gateway_operator.cli.findings import Finding, Row
from mcp_gateway_operator.shown import shown

_VALUE: Final = re.compile(r"\{\{[^{}]{0,200}[.](?:Values|Release|Chart|Capabilities|Files|Template)\b")
"""What only Helm fills in: a text without a mistake may hold any other braces."""
_OURS: Final = re.compile(rf"\bkind[\"']?: {{0,9}}[\"']?({names.KIND}|{names.CLASS_KIND})\b", re.IGNORECASE)
_TEMPLATE: Final = "a Helm template: check what it renders, as in `helm template CHART | mcps validate -`"


@dataclass(slots=True)
class _Text:
    """What is in a file, up to where it cannot be read: `broken` says why."""

    file: str
    found: list[Manifest | Foreign | Namespace]
    broken: Row | None = None


def check(files: Iterable[str]) -> Iterator[Row]:
    """Yield a row for each MCPServer and MCPGateway in files ("-": standard input), in their order.

    A file without any that cannot be read has a row that says why.
    """
    texts = [_read(file) for file in files]
    beside = Beside(each for text in texts for each in text.found)
    for text in texts:
        for each in text.found:
            if not isinstance(each, Namespace):
                yield _row(text.file, each, beside)
        if text.broken is not None:
            yield text.broken


def _read(file: str) -> _Text:
    text, read = "", _Text(file, [])
    try:
        text = text_of(file)
        read.found.extend(objects(text))
    except OSError as error:
        read.broken = _unread(file, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        read.broken = _unread(file, f"not YAML: {error}")
    except ManifestError as error:
        read.broken = _no_yaml(file, text, error)
    return read


def _row(file: str, found: Manifest | Foreign, beside: Beside) -> Row:
    row = Row(file=file, place=found.place, namespace=found.namespace, name=found.name)
    at = found.spot.at
    if isinstance(found, Foreign):
        message = f"not checked: {found.api_version} is another project's MCPServer"
        warnings = _findings([Problem(path="apiVersion", message=message)], at)
        return replace(row, checked=False, warnings=warnings)
    row = replace(row, kind=found.kind)
    if found.problems and _VALUE.search(json.dumps(found.content, ensure_ascii=False)):
        return replace(row, problems=_findings([Problem(path="", message=_TEMPLATE)], at))
    refused, doubts = beside.judge(found)
    return replace(
        row,
        problems=_findings([*found.problems, *refused], at),
        warnings=_findings([*found.warnings, *doubts], at),
    )


def _no_yaml(file: str, text: str, error: ManifestError) -> Row:
    """Return the row of a text that is not YAML: a template without MCPServers is none of our business."""
    if (action := template_in(text)) is None:
        return _unread(file, f"not YAML: {error.problem}", error.position)
    position = Lines(text).at(action)
    if _OURS.search(text) is not None:
        return _unread(file, f"not YAML: {error.problem}. It is {_TEMPLATE}", position)
    unchecked = _findings([Problem(path="", message=f"not checked: {_TEMPLATE}")], lambda _: position)
    return Row(file=file, checked=False, warnings=unchecked)


def _unread(file: str, message: str, position: Position = FIRST) -> Row:
    problem = Problem(path="", message=" ".join(message.split()))
    return Row(file=file, readable=False, problems=_findings([problem], lambda _: position))


def _findings(found: Iterable[Problem], at: Callable[[str], Position]) -> tuple[Finding, ...]:
    return tuple(
        Finding(path=shown(each.path), message=shown(each.message), line=where.line, column=where.column)
        for each in found
        for where in [at(each.path)]
    )
