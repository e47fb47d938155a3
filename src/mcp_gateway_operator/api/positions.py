"""Lines and columns in YAML and JSON text: of a mistake, and of the field that a path names."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

import yaml

_KEY_ENDS: Final = re.compile(r"[.\[]|$")
_Step: TypeAlias = tuple[int, yaml.Node, str]


class Position(NamedTuple):
    """A line and a column in characters, both counted from 1 as editors do."""

    line: int
    column: int


FIRST: Final = Position(1, 1)


class Lines:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _begins(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self._text))]

    def at(self, index: int) -> Position:
        """Return where the character with this index stands."""
        line = bisect.bisect_right(self._begins, index)
        return Position(line, index - self._begins[line - 1] + 1)


class Spot:
    """Where one document of a text stands, and its fields; nothing is searched before it is asked for.

    Args:
        lines: of the whole text.
        begin: index of the document's first character.
        node: reads the document's nodes, indexed from `origin`; None where there are none.
        below: the path of an object inside the document, for example `items[3]`.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        begin: int,
        node: Callable[[], yaml.Node | None],
        origin: int = 0,
        below: str = "",
    ) -> None:
        self._lines, self._begin, self._read, self._origin = lines, begin, node, origin
        self._below = below
        self._keys: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}

    @cached_property
    def _node(self) -> yaml.Node | None:
        return self._read()

    def item(self, index: int) -> Spot:
        """Return the spot of an object in the document's list `items`."""
        below = f"items[{index}]"
        return Spot(self._lines, begin=self._begin, node=lambda: self._node, origin=self._origin, below=below)

    def at(self, path: str) -> Position:
        """Return where a field's key or a list's item stands; of a missing one, what it is missing in.

        Args:
            path: as in a `Problem`; empty for the object itself.
        """
        node, rest = self._node, ".".join(each for each in (self._below, path) if each)
        if node is None:
            return self._lines.at(self._begin)
        found = node.start_mark.index
        while rest and (step := self._step(node, rest)) is not None:
            found, node, rest = step
        return self._lines.at(self._origin + found)

    def _step(self, node: yaml.Node, path: str) -> _Step | None:
        if isinstance(node, yaml.SequenceNode):
            number, closed, rest = path.removeprefix("[").partition("]")
            if not closed or not number.isdecimal() or int(number) >= len(node.value):
                return None
            item = node.value[int(number)]
            return item.start_mark.index, item, rest.removeprefix(".")
        if not isinstance(node, yaml.MappingNode):
            return None
        keys = self._keys_of(node)
        for key, rest in _first_keys(path):
            if key in keys:
                key_node, value = keys[key]
                return key_node.start_mark.index, value, rest.removeprefix(".")
        return None

    def _keys_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return the keys of a map, those that `<<` brings included; each map is read once."""
        if (known := self._keys.get(id(node))) is not None:
            return known
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.value == "<<":
                maps = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for each in maps:
                    if isinstance(each, yaml.MappingNode):
                        found = self._keys_of(each) | found
        found |= {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        self._keys[id(node)] = found
        return found


NOWHERE: Final = Spot(Lines(""), begin=0, node=lambda: None)


def _first_keys(path: str) -> Iterator[tuple[str, str]]:
    """Yield what the first key of a path may be, with the rest, the longest first: keys may have dots."""
    if path.startswith("["):
        ends = [found.start() for found in re.finditer(r"\]", path)]
        yield from ((path[1:end], path[end + 1 :]) for end in reversed(ends))
    else:
        ends = [found.start() for found in _KEY_ENDS.finditer(path)]
        yield from ((path[:end], path[end:]) for end in reversed(ends))
