"""What is legal in an MCPServer and will most likely not work: warnings of `validate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from mcp_gateway_operator.api import tool_list
from mcp_gateway_operator.api.annotations import misplaced, not_understood
from mcp_gateway_operator.api.aws_values import default_target_name
from mcp_gateway_operator.api.endpoints import doubts, secret_parameters
from mcp_gateway_operator.api.problem import Problem

_MOST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all annotations of an object, keys and values (Kubernetes' TotalAnnotationSizeLimitB)."""
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def advice(content: dict[str, Any]) -> Iterator[Problem]:
    """Yield the warnings about an object in plain JSON, whatever else is wrong with it."""
    spec = _map(content, "spec")
    for one in _CHAIN:
        yield from one(spec, target_name(content))
    metadata = _map(content, "metadata")
    texts = {
        str(key): value for key, value in _map(metadata, "annotations").items() if isinstance(value, str)
    }
    yield from not_understood(texts)
    yield from misplaced(_map(metadata, "labels"))
    yield from _too_large_to_apply(content, metadata)


def target_name(content: dict[str, Any]) -> str:
    """Return the name that the target of an object in plain JSON gets, "" where it is no text."""
    named, name = _map(content, "spec").get("targetName"), _map(content, "metadata").get("name")
    if isinstance(named, str) and named:
        return named
    return default_target_name(name) if isinstance(name, str) else ""


def _map(content: dict[str, Any], field: str) -> dict[str, Any]:
    value = content.get(field)
    return value if isinstance(value, dict) else {}


def _endpoint(spec: dict[str, Any], _name: str) -> Iterator[Problem]:
    endpoint = spec.get("endpoint")
    if not isinstance(endpoint, str):
        return
    for message in doubts(endpoint, private=bool(spec.get("privateEndpoint"))):
        yield Problem(path="spec.endpoint", message=message)
    if names := secret_parameters(endpoint):
        message = (
            f"the query parameter {names[0]} looks like a secret, which everybody who may read this object or"
            " the target sees: keep it in an AgentCore API key credential provider and write authType: ApiKey"
            f" with apiKey: {{providerArn: ..., location: QUERY_PARAMETER, parameterName: {names[0]}}}"
        )
        yield Problem(path="spec.endpoint", message=message)


def _tools(spec: dict[str, Any], name: str) -> Iterator[Problem]:
    schema = spec.get("mcpToolSchema")
    inline = schema.get("inline") if isinstance(schema, dict) else None
    if isinstance(inline, str) and inline:
        for message in tool_list.doubtful(inline, name):
            yield Problem(path="spec.mcpToolSchema.inline", message=message)
    elif len(name) > tool_list.LONGEST_TARGET:
        path = "spec.targetName" if spec.get("targetName") else "metadata.name"
        message = (
            f"agents see each tool as {tool_list.SEPARATOR.join(('TARGET', 'TOOL'))}, many models take"
            f" {tool_list.MODELS_TAKE} characters, and the target's name alone has {len(name)}: write a short"
            " spec.targetName"
        )
        yield Problem(path=path, message=message)


_CHAIN: Final[tuple[Callable[[dict[str, Any], str], Iterator[Problem]], ...]] = (_endpoint, _tools)


def _too_large_to_apply(content: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Problem]:
    annotations = {k: v for k, v in _map(metadata, "annotations").items() if k != _LAST_APPLIED}
    applied = {**content, "metadata": {**metadata, "annotations": annotations}}
    kept = {**annotations, _LAST_APPLIED: _as_go_writes(applied)}
    size = sum(len(str(key).encode()) + len(str(value).encode()) for key, value in kept.items())
    if size > _MOST_ANNOTATIONS:
        message = (
            f"kubectl apply keeps a copy of the object in an annotation, where {size} bytes do not fit (at"
            f" most {_MOST_ANNOTATIONS}): use kubectl apply --server-side, or put the list of tools into S3"
        )
        yield Problem(path="metadata.annotations", message=message)


def _as_go_writes(value: object) -> str:
    """Return a value as JSON in the form that kubectl keeps: Go's, which escapes what HTML would read."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return f"{text}\n"
