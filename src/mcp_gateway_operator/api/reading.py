"""YAML and JSON text, read as kubectl reads them.

kubectl's YAML is go-yaml's version 2: `y` is a boolean, `0o17`, `017` and `5e3` are numbers, `1:30` is text,
tags that it does not know count for nothing. PyYAML differs in each of these, so only its parser is used, and
values are made of its nodes here. A number without a fraction is an integer, however it is written.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.reader import Reader

from mcp_gateway_operator.api.positions import FIRST, Lines, Position, Spot

_INTEGER: Final = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (16, 2, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_SEPARATOR: Final = re.compile(r"^---[^\S\n]*[^\s#]", re.MULTILINE)
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_DIGITS: Final = 400
"""More make no number that a 64 bit float can hold."""
_BYTE_ORDER: Final = "\ufeff"
"""What some editors begin a file with; the parsers count its characters differently."""
_TAG: Final = "tag:yaml.org,2002:"
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    **{text: True for word in ("y", "yes", "true", "on") for text in (word, word.title(), word.upper())},
    **{text: False for word in ("n", "no", "false", "off") for text in (word, word.title(), word.upper())},
}
_NO_NUMBERS: Final = frozenset(
    {f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")} | {".nan", ".NaN", ".NAN"}
)
_MOST_NODES: Final = 1_000_000
"""Values of one document, aliases counted each time they are used."""


class ManifestError(ValueError):
    """The text is not YAML: `problem` is why, `position` where; the message has both, the line if known."""

    def __init__(self, problem: str, position: Position | None = None) -> None:
        super().__init__(f"line {position.line}: {problem}" if position else problem)
        self.problem = problem
        self.position = position or FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a text, as a plain JSON value, and where it stands."""

    value: Any
    spot: Spot


def documents(text: str) -> Iterator[Any]:
    """Yield the values of a text's documents, as `placed` finds them."""
    return (document.value for document in placed(text))


def placed(text: str) -> Iterator[Document]:
    """Yield the documents of a text.

    Raises:
        ManifestError: the text is not YAML, or holds what JSON cannot.
    """
    lines = Lines(text)
    if text.lstrip().startswith("{"):
        try:
            yield from list(_json_documents(text, lines))
        except (ValueError, RecursionError):
            pass  # flow style YAML, or JSON with a mistake, which YAML's parser finds, too
        else:
            return
    if (behind := _SEPARATOR.search(text)) is not None:
        raise ManifestError("write nothing behind '---'", lines.at(behind.start()))
    if (odd := Reader.NON_PRINTABLE.search(text)) is not None:
        message = f"the character U+{ord(odd[0]):04X} is not allowed: remove it, or write it as an escape"
        raise ManifestError(message, lines.at(odd.start()))
    if (inside := text.find(f"\n{_BYTE_ORDER}")) >= 0:
        # As where two files are put together; the parsers take it for text, or lose count of the columns.
        raise ManifestError(
            "U+FEFF, which only a file may begin with, is not allowed: remove it", lines.at(inside + 1)
        )
    origin = 1 if text.startswith(_BYTE_ORDER) else 0
    try:
        for node in _Nodes(text[origin:]):
            begin = node.start_mark.index + origin
            spot = Spot(lines, begin=begin, node=_given(node), origin=origin)
            yield Document(value=_Plain().value(node), spot=spot)
    except RecursionError as error:
        raise ManifestError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = lines.at(mark.index + origin) if mark is not None else None
        raise ManifestError(getattr(error, "problem", None) or str(error), where) from error


def _json_documents(text: str, lines: Lines) -> Iterator[Document]:
    decoder = json.JSONDecoder(
        parse_int=_sure, parse_float=_sure, parse_constant=_sure, object_pairs_hook=_once
    )
    position = len(text) - len(text.lstrip())
    while position < len(text):
        begin = position
        value, position = decoder.raw_decode(text, position)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is a mistake
        spot = Spot(lines, begin=begin, node=_nodes_of_json(text, begin, position), origin=begin)
        yield Document(value=value, spot=spot)
        while position < len(text) and text[position].isspace():
            position += 1


def _given(node: yaml.Node) -> Callable[[], yaml.Node]:
    return lambda: node


def _nodes_of_json(text: str, begin: int, end: int) -> Callable[[], yaml.Node | None]:
    def read() -> yaml.Node | None:
        try:
            # YAML's parser takes no tab between values; inside a text JSON has none.
            return next(iter(_Nodes(text[begin:end].replace("\t", " "))), None)
        except (yaml.YAMLError, RecursionError, UnicodeEncodeError):
            return None  # a character that JSON has and YAML has not

    return read


def _sure(text: str) -> int | float:
    if (number := _number(text)) is None:
        raise ValueError(f"{text[:64]} is not a JSON number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _number(text: str) -> int | float | None:
    """Return the number that a plain scalar is: an int where Kubernetes would have one, else a float."""
    plain = text.replace("_", "")
    if len(plain) > _DIGITS:
        return None
    if (whole := _INTEGER.fullmatch(plain)) is not None:
        digits, base = next((d, b) for d, b in zip(whole.groups()[1:], _BASES, strict=True) if d)
        value = int(whole[1] + digits, base)
        if _LOWEST <= value <= _HIGHEST:
            return value
        if base != _BASES[-1]:
            return float(value) if 0 < value < 2**64 else None
    if _FLOAT.fullmatch(plain) is None:
        return None
    fraction = float(plain)
    if fraction in {float("inf"), float("-inf")}:
        return None
    return int(fraction) if fraction.is_integer() and _LOWEST <= fraction < _HIGHEST else fraction


def _scalar(text: str) -> Any:
    """Return what a plain scalar without a tag means.

    Raises:
        ValueError: it is an infinity or no number, which JSON does not have.
    """
    if text in _NULLS:
        return None
    if (boolean := _BOOLEANS.get(text)) is not None:
        return boolean
    if text in _NO_NUMBERS:
        raise ValueError(f"{text} is not a JSON number: write it in quotes")
    number = _number(text) if text[0] in "+-.0123456789" else None
    return text if number is None else number


class _Nodes:
    """The nodes of a text's documents: of PyYAML its parser alone, what a node means is decided here.

    libyaml gives events one by one, ten times as fast as the parser in Python, which stands in where PyYAML
    was built without it. Nodes are made of them in Python, which counts how deep they are nested: what PyYAML
    has in C for that does not, and a file of brackets ends the process.

    Args:
        text: without a character that YAML does not have.
    """

    def __init__(self, text: str) -> None:
        parser = yaml.CSafeLoader(text) if yaml.__with_libyaml__ else yaml.SafeLoader(text)
        self._next: Callable[[], Any] = parser.get_event
        self._anchors: dict[str, yaml.Node] = {}

    def __iter__(self) -> Iterator[yaml.Node]:
        """Yield the node of each document."""
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._node(self._next())

    def _node(self, event: Any) -> yaml.Node:
        """Return the node that begins with an event; of equal anchors the latest counts, as in go-yaml."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _wrong(
                    event, f"{event.anchor!r} is not defined above: write &{event.anchor} before a value"
                )
            return self._anchors[event.anchor]
        node: yaml.Node
        marks: tuple[Any, Any] = event.start_mark, event.end_mark
        if isinstance(event, yaml.ScalarEvent):
            node = yaml.ScalarNode(_tag_of(event), event.value, *marks)
        else:
            kind = yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
            node = kind("", [], *marks)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(node, yaml.MappingNode):
            while not isinstance(inner := self._next(), yaml.MappingEndEvent):
                key = self._node(inner)
                node.value.append((key, self._node(self._next())))
        elif isinstance(node, yaml.SequenceNode):
            while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
                node.value.append(self._node(inner))
        return node


def _tag_of(event: yaml.ScalarEvent) -> str:
    """Return the tag of a scalar: none for a plain one, and as go-yaml has it, `!` means text."""
    if event.tag is None and event.implicit[0]:
        return ""
    return f"{_TAG}str" if event.tag in (None, "!") else str(event.tag)


class _Plain:
    """Makes plain values of the nodes of one document."""

    def __init__(self) -> None:
        self._made = 0
        self._inside: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        """Return the value of a node and all below it."""
        self._made += 1
        if self._made > _MOST_NODES or id(node) in self._inside:
            raise _wrong(node, "its aliases make it endless: write the values out")
        if isinstance(node, yaml.ScalarNode):
            return _tagged(node)
        self._inside.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(each) for each in node.value]
            assert isinstance(node, yaml.MappingNode)
            return self._mapping(node)
        finally:
            self._inside.discard(id(node))

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        made: dict[str, Any] = {}
        given = set()
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and not key_node.tag:
                for merged in self._merged(value_node):
                    made |= merged
                continue
            key = _key(key_node)
            if key in given:
                raise _wrong(key_node, f"the key {key!r} is given twice: keep one")
            given.add(key)
            made[key] = self.value(value_node)
        return made

    def _merged(self, node: yaml.Node) -> list[dict[str, Any]]:
        """Return the maps that `<<` names, the one that counts most at last."""
        found = self.value(node)
        maps = found[::-1] if isinstance(found, list) else [found]
        if not all(isinstance(each, dict) for each in maps):
            raise _wrong(node, "what follows << must be a map or a list of maps")
        return maps


def _key(node: yaml.Node) -> str:
    value = _tagged(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise _wrong(node, "a key must be a text")
    return value if isinstance(value, str) else json.dumps(value)


def _tagged(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    try:
        text.encode()
        if not node.tag:
            return _scalar(text)
        if kind == "binary":
            return base64.b64decode(text, validate=True).decode(errors="replace")
        if kind == "timestamp":
            return _as("timestamp", text, text, fits=_DATE.fullmatch(text) is not None)
        if kind in _KINDS:
            value = _scalar(text)
            return _as(kind, text, value, fits=isinstance(value, _KINDS[kind]) and _is_bool(value, kind))
    except UnicodeEncodeError as error:
        raise _wrong(node, "\\u gives half a character: write the character itself") from error
    except (ValueError, binascii.Error) as error:
        raise _wrong(node, str(error)) from error
    return text


_KINDS: Final[dict[str, Any]] = {"null": type(None), "bool": bool, "int": int, "float": (int, float)}


def _is_bool(value: Any, kind: str) -> bool:
    return isinstance(value, bool) == (kind == "bool")


def _as(kind: str, text: str, value: Any, *, fits: bool) -> Any:
    if not fits:
        raise ValueError(f"{text[:64]!r} is not what its tag !!{kind} says: remove the tag")
    return value


def _wrong(place: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    mark: Any = place.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
