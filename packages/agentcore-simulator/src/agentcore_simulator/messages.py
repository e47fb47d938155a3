"""What goes in and out of the engine: a request and an answer, free of any transport."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Effect = Literal["answer", "close", "reset", "hang"]
"""How the answer reaches the caller: sent, connection closed, connection reset, or never answered."""


@dataclass(slots=True)
class Request:
    """One HTTP request.

    `path` is the raw path as it stood on the request line (still percent-encoded), `headers` has lower-case
    names, `query` is the raw query string without its question mark.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Response:
    """One HTTP answer.

    `delay` is how many seconds the caller has to wait for it. With an `effect` other than "answer" the caller
    never sees it: that is how a lost answer, a reset or a hang is told to the transport.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    delay: float = 0.0
    effect: Effect = "answer"
