"""Our objects in YAML or JSON text, checked as the API server and then the operator would check them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.advice import advice, target_name
from mcp_gateway_operator.api.mcpgateway_codec import problems_of_spec
from mcp_gateway_operator.api.positions import NOWHERE, Spot
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.reading import ManifestError, placed
from mcp_gateway_operator.api.schema import shown, unknown
from mcp_gateway_operator.api.validation import Context, validate_plain

__all__ = ["Foreign", "Manifest", "ManifestError", "Namespace", "Problem", "manifests", "objects", "servers"]

_API_VERSION: Final = f"{names.GROUP}/{names.VERSION}"
_TEXTS: Final = ("labels", "annotations")
_TOP_LEVEL: Final = ["apiVersion", "kind", "metadata", "spec", "status"]
_LEAST: Final = {names.KIND: "endpoint, capabilities and authorization", names.CLASS_KIND: "gatewayArn"}
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_LONGEST_NAME: Final = 253
_LONGEST_NAMESPACE: Final = 63
_TYPO: Final = 0.8
"""Likeness from which an API group counts as ours, misspelt: other projects have a kind MCPServer too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One MCPServer or MCPGateway of a text: where it is (documents count from 1), and what is wrong."""

    kind: str = names.KIND
    place: str
    spot: Spot = field(default=NOWHERE, compare=False, repr=False)
    name: str
    namespace: str
    content: dict[str, Any]
    problems: tuple[Problem, ...]

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is legal and will most likely not work, or not as it reads; looked for where it is asked."""
        return tuple(advice(self.content)) if self.kind == names.KIND else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An MCPServer that is none of ours: several projects have a kind of that name."""

    place: str
    spot: Spot = field(default=NOWHERE, compare=False, repr=False)
    name: str
    namespace: str
    api_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A Namespace, by whose labels MCPGateways select."""

    name: str
    labels: dict[str, str]


def manifests(text: str) -> Iterator[Manifest]:
    """Yield every MCPServer of ours in `text`, as `servers` does."""
    return (each for each in servers(text) if isinstance(each, Manifest))


def servers(text: str) -> Iterator[Manifest | Foreign]:
    """Yield every MCPServer in `text`, those in lists included; objects of other kinds are passed over.

    Raises:
        ManifestError: the text is not YAML.
    """
    for each in objects(text):
        if isinstance(each, Foreign) or (isinstance(each, Manifest) and each.kind == names.KIND):
            yield each


def objects(text: str) -> Iterator[Manifest | Foreign | Namespace]:
    """Yield the same, and what MCPServers are judged by: MCPGateways and Namespaces.

    Raises:
        ManifestError: the text is not YAML.
    """
    for number, document in enumerate(placed(text), start=1):
        value = document.value
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            for index, item in enumerate(value["items"]):
                place = f"document {number}, item {index + 1}"
                yield from _manifest(item, place, document.spot.item(index))
        else:
            yield from _manifest(value, f"document {number}", document.spot)


def _manifest(content: Any, place: str, spot: Spot) -> Iterator[Manifest | Foreign | Namespace]:
    if not isinstance(content, dict):
        return
    metadata = content.get("metadata") if isinstance(content.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    namespace = str(metadata.get("namespace") or "")
    if _is_ours(content):
        content = {**content, "metadata": _as_go_reads(content.get("metadata"))}
        kind = names.CLASS_KIND if content.get("kind") == names.CLASS_KIND else names.KIND
        yield Manifest(
            kind=kind,
            place=place,
            spot=spot,
            name=name,
            namespace=namespace,
            content=content,
            problems=tuple(_problems(content, kind)),
        )
    elif _is_server(content):
        api_version = str(content.get("apiVersion"))
        yield Foreign(place=place, spot=spot, name=name, namespace=namespace, api_version=api_version)
    elif (content.get("apiVersion"), content.get("kind")) == ("v1", "Namespace"):
        given = metadata.get("labels")
        labels = given.items() if isinstance(given, dict) else ()
        yield Namespace(name=name, labels={str(key): str(value or "") for key, value in labels})


def _as_go_reads(metadata: Any) -> Any:
    """Return metadata in which null is an empty text where only texts can be: kubectl sends it so."""
    if not isinstance(metadata, dict):
        return metadata
    texts = {name: metadata[name] for name in _TEXTS if isinstance(metadata.get(name), dict)}
    empty = {
        name: {key: "" if each is None else each for key, each in value.items()}
        for name, value in texts.items()
    }
    return {**metadata, **empty}


def _is_server(content: dict[str, Any]) -> bool:
    return str(content.get("kind")).lower() == names.KIND.lower()


def _is_ours(content: dict[str, Any]) -> bool:
    """Whether an object is of a kind of ours, also with a mistake in its first two lines."""
    api_version = str(content.get("apiVersion") or "")
    group = api_version.partition("/")[0]
    if group == names.GROUP:
        return True
    # A version alone means Kubernetes' own group, where there is no such kind: ours was forgotten.
    forgotten = "/" not in api_version and "." not in api_version
    likeness = difflib.SequenceMatcher(None, group[:_LONGEST_NAME], names.GROUP).ratio()
    return _is_server(content) and (forgotten or likeness >= _TYPO)


def _problems(content: dict[str, Any], kind: str) -> Iterator[Problem]:
    if content.get("apiVersion") != _API_VERSION:
        yield Problem(path="apiVersion", message=f"write apiVersion: {_API_VERSION}")
    if content.get("kind") != kind:
        yield Problem(path="kind", message=f"unknown kind {shown(content.get('kind'))}: write kind: {kind}")
    yield from _metadata(content.get("metadata"))
    spec = content.get("spec")
    if spec is None:
        message = f"required: write at least {_LEAST[kind]} under spec"
        yield Problem(path="spec", message=message)
    elif not isinstance(spec, dict):
        yield Problem(path="spec", message="must be a map of fields")
    elif kind == names.CLASS_KIND:
        yield from problems_of_spec(spec)
    else:
        yield from validate_plain(spec, context=Context(target_name=target_name(content)), closed=True)
    for name in content:
        if name not in _TOP_LEVEL:
            yield Problem(path=str(name), message=unknown(str(name), _TOP_LEVEL))


def _metadata(metadata: Any) -> Iterator[Problem]:
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        yield Problem(path="metadata.name", message="required: write for example github")
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name and not _fits(name, _NAME, _LONGEST_NAME):
        message = (
            f"{name!r} is not a legal name: write lower-case letters, digits, '-' and '.', for example github"
        )
        yield Problem(path="metadata.name", message=message)
    if namespace and not _fits(namespace, _NAMESPACE, _LONGEST_NAMESPACE):
        message = f"{namespace!r} is not a legal namespace: write lower-case letters, digits and '-'"
        yield Problem(path="metadata.namespace", message=message)
    for texts in _TEXTS:
        values = metadata.get(texts)
        if values is not None and not isinstance(values, dict):
            yield Problem(path=f"metadata.{texts}", message="must be a map of texts")
            continue
        for key, value in (values or {}).items():
            if not isinstance(value, str):
                yield Problem(path=f"metadata.{texts}[{key}]", message="must be a text: write it in quotes")


def _fits(value: Any, pattern: re.Pattern[str], longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value) is not None
