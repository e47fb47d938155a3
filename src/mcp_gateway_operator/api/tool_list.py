"""A static list of tools: what of it AWS refuses, and what will most likely not work.

The form is that of an answer to MCP's tools/list, or the bare list in it; sizes are AWS's quotas of a target.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mcp_gateway_operator.api.schema import shown

MOST_TOOLS: Final = 1000
LONGEST_NAME: Final = 256
"""AWS's quotas: tools of a target, characters of `TARGET___TOOL`."""
MODELS_TAKE: Final = 64
"""Characters of a tool's name that many models take at most."""
SEPARATOR: Final = "___"
"""AWS puts it between the name of a target and those of its tools."""
LONGEST_TARGET: Final = MODELS_TAKE - len(SEPARATOR) - 1
"""Characters of a target's name that leave room for one of a tool."""
_MODELS_READ: Final = re.compile(r"[a-zA-Z0-9_-]*")
"""The form of a tool's name that Bedrock's Converse takes, and others like it."""
_SHOWN: Final = 3
_REFERENCES: Final = frozenset({"$ref", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor"})
_FORM: Final = 'write a tools/list answer, for example {"tools": [{"name": "search", "inputSchema": {...}}]}'


def tools_of(text: str) -> list[Any] | None:
    """Return the list in an inline schema; None for a text that has none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    tools = found.get("tools") if isinstance(found, dict) else found
    return tools if isinstance(tools, list) else None


def refused(text: str, target: str) -> Iterator[str]:
    """Yield what is wrong with an inline schema, as sentences.

    Args:
        text: the JSON text.
        target: name of the target that is to have the tools.
    """
    tools = tools_of(text)
    if tools is None:
        yield f"this is not a list of tools in JSON{_why(text)}: {_FORM}"
        return
    if len(tools) > MOST_TOOLS:
        yield f"these are {len(tools)} tools, and AWS takes {MOST_TOOLS}: spread them over several servers"
    names = [each.get("name") if isinstance(each, dict) else None for each in tools]
    nameless = [number for number, name in enumerate(names) if not (isinstance(name, str) and name)]
    if nameless:
        yield f"the tools {_some(nameless)} (counted from 0) have no name: {_FORM}"
    texts = [name for name in names if isinstance(name, str) and name]
    if twice := [name for name, count in Counter(texts).items() if count > 1]:
        yield f"several tools have the name {_some(twice)}: give each tool a name of its own"
    room = LONGEST_NAME - len(target) - len(SEPARATOR)
    if long := [name for name in texts if len(name) > room]:
        yield f"AWS takes {LONGEST_NAME} characters, the target's name before them: shorten {_some(long)}"


def doubtful(text: str, target: str) -> Iterator[str]:
    """Yield what AWS may take of an inline schema and agents will stumble over, as sentences."""
    tools = tools_of(text)
    if tools is None:
        return
    if not tools:
        yield f"it lists no tools, and AWS says that it found no schema: {_FORM}"
    known = [each for each in tools if isinstance(each, dict) and isinstance(each.get("name"), str)]
    if bare := [each["name"] for each in known if not _has_schema(each)]:
        yield (
            f"the tools {_some(bare)} lack an inputSchema of type object, which MCP requires: write at least"
            ' {"type": "object"}'
        )
    if odd := [each["name"] for each in known if not _MODELS_READ.fullmatch(each["name"])]:
        yield (f"many models take letters, digits, _ and - alone in the name of a tool: rename {_some(odd)}")
    if pointing := [each["name"] for each in known if _refers(each)]:
        yield (
            f"the schemas of {_some(pointing)} use $ref or $defs, which AgentCore does not follow: write out"
            " what they point to"
        )
    room = MODELS_TAKE - len(target) - len(SEPARATOR)
    if long := [each["name"] for each in known if len(each["name"]) > room]:
        yield (
            f"agents see TARGET{SEPARATOR}TOOL, and many models take {MODELS_TAKE} characters: shorten"
            f" spec.targetName or {_some(long)}"
        )


def _has_schema(tool: dict[str, Any]) -> bool:
    schema = tool.get("inputSchema")
    return isinstance(schema, dict) and schema.get("type", "object") == "object"


def _why(text: str) -> str:
    try:
        found = msgspec.json.decode(text)
    except RecursionError:
        return ", nested too deeply"
    except (msgspec.MsgspecError, UnicodeError) as error:
        return f" ({error})"
    whole = isinstance(found, dict) and "jsonrpc" in found
    return " (it is a JSON-RPC message: only what stands in its result is wanted)" if whole else ""


def _some(values: list[Any]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(shown(each) if isinstance(each, str) else str(each) for each in values[:_SHOWN]) + more


def _refers(value: Any) -> bool:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict) and not _REFERENCES.isdisjoint(each):
            return True
        waiting.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
    return False
