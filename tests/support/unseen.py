"""What no status, Event, log line or terminal may show: said apart from the code that takes it out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import msgspec

from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime.cluster import EVENTS
from tests.support.memory_store import Store

CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
NASTY = [
    *"\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b",
    *"\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029",
    *"\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u2800\u3164\ufe0f\ufeff\uffa0\uffff",
    *"\ud800\udfff\U000e0001\U000e0041\U000e0100\U0010ffff",
]
"""One of each kind: escape sequences, line ends, direction, no width, tags, halves."""
SECRET = "s3cr3t"
"""What tests have in the query of an endpoint: nothing that is shown may have it."""
_WIDTHLESS = {
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}


def unseen(text: str) -> list[str]:
    """Return the characters of a text that a reader does not see, or that are no text."""
    if text.isascii() and text.isprintable():
        return []
    return [each for each in text if unicodedata.category(each) in CATEGORIES or ord(each) in _WIDTHLESS]


def texts(value: Any) -> Iterable[str]:
    """Return all texts in a JSON value, names of fields included."""
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                yield name
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)


class Sinks:
    """Reads every status and Event that an API server ever holds, and keeps what none may have in it."""

    def __init__(self, store: Store) -> None:
        self.hidden: list[str] = []
        self._store = store
        self._revision = store.revision
        self._next = store.on_change
        store.on_change = self._look

    def _look(self) -> None:
        for change in self._store.changes_since(self._revision):
            if change.resource in (MCPSERVERS, EVENTS):
                body = msgspec.json.decode(change.body)
                shown = body if change.resource == EVENTS else body.get("status")
                self.hidden += [text for text in texts(shown) if unseen(text) or SECRET in text]
        self._revision = self._store.revision
        self._next()
