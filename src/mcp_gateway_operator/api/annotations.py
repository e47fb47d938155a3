"""The annotations of ours that an MCPServer may have: what they mean, and which are not understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.aws_ids import is_gateway_id
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.problem import Problem
from mcp_gateway_operator.api.schema import shown as quoted
from mcp_gateway_operator.api.schema import unknown
from mcp_gateway_operator.shown import shown

PREFIX: Final = f"{names.GROUP}/"
LONGEST: Final = 256
"""Characters of a value that count."""
LONGEST_GATEWAY: Final = 320
"""The same of a gateway's ARN: 211 for the id, and what is before it."""
MOST_UNKNOWN: Final = 3
"""Unknown keys of an object that are told of."""
_KNOWN: Final = (
    names.GATEWAY_ANNOTATION,
    names.PAUSED_ANNOTATION,
    names.SYNC_ANNOTATION,
    names.RECONCILE_ANNOTATION,
)
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool takes."""


def ours(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept of an object's annotations: those with our prefix, bounded in number and length.

    Of those that we do not have only the first keys in order are kept, without values.
    """
    found = [key for key in annotations if key.startswith(PREFIX)]
    kept = {key: annotations[key][: _longest(key) + 1] for key in _KNOWN if key in found}
    if len(kept) < len(found):
        kept |= dict.fromkeys(sorted(set(found).difference(_KNOWN))[:MOST_UNKNOWN], "")
    return kept


def _longest(key: str) -> int:
    return LONGEST_GATEWAY if key == names.GATEWAY_ANNOTATION else LONGEST


def pauses(annotations: Mapping[str, str]) -> bool:
    """Return whether nothing is to be written to AWS: a word that is not understood is no leave to write."""
    value = annotations.get(names.PAUSED_ANNOTATION)
    return value is not None and value not in _FALSE


def gateway_of(annotations: Mapping[str, str]) -> str:
    """Return the gateway in which a target may have been made, by its id or its ARN, "" for none.

    Anybody may write it, and it leads to AWS: what cannot be a gateway is no place to look.
    """
    value = annotations.get(names.GATEWAY_ANNOTATION, "")
    return value if _is_gateway(value) else ""


@lru_cache(maxsize=1024)
def _is_gateway(value: str) -> bool:
    return is_gateway_id(value) or GatewayArn.parse(value) is not None


def request_of(annotations: Mapping[str, str], name: str) -> str:
    """Return what an annotation that asks for something says, as status repeats it; "" for nothing."""
    value = annotations.get(name, "")
    return shown(value, LONGEST) if value.strip() else ""


def not_understood(annotations: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the annotations with our prefix whose key or value says nothing to us."""
    for key, value in ours(annotations).items():
        if message := _unknown(key) if key not in _KNOWN else _odd(key, value):
            yield Problem(path=f"metadata.annotations[{key}]", message=message)


def misplaced(labels: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the labels that have the key of an annotation of ours."""
    for key in _KNOWN:
        if key in labels:
            message = "a label does nothing here: write it under metadata.annotations"
            yield Problem(path=f"metadata.labels[{key}]", message=message)


def notes(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sentences about annotations that are not understood, as status says them."""
    sentences = map(str, not_understood(annotations))
    return tuple(shown(each if each.endswith("?") else f"{each}.") for each in sentences)


def _unknown(key: str) -> str:
    return unknown(key.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in _KNOWN], "annotation")


def _odd(key: str, value: str) -> str:
    if key == names.PAUSED_ANNOTATION:
        odd = value not in _TRUE | _FALSE
        return (
            f'{quoted(value)} is neither true nor false, and pauses: write "true", or remove it'
            if odd
            else ""
        )
    if key == names.GATEWAY_ANNOTATION:
        odd = not _is_gateway(value)
        return (
            f"{quoted(value)} is no gateway's id, and the operator alone writes it: remove it" if odd else ""
        )
    if not value.strip():
        return "it is empty and asks for nothing: write a new value, for example the time"
    return f"only its first {LONGEST} characters count: shorten it" if len(value) > LONGEST else ""
