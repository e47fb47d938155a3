"""HTTP/1.1 for ports that are open to others: what may be asked, and what each part of it may take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import h11
import structlog

from mcp_gateway_operator.runtime.wire import Wire
from mcp_gateway_operator.shown import shown_lines

MAX_HEAD: Final = 16 * 1024
"""Bytes of a request's head: a token of a ServiceAccount has about 1 KiB, one with many groups ten times."""
REQUEST_SECONDS: Final = 10.0
"""In which a head must be complete, counted from the answer before it."""
KEPT_SECONDS: Final = 120.0
"""The same for callers who have proven who they are: Prometheus asks every minute at most."""
ANSWER_SECONDS: Final = 30.0
"""In which an answer must have been taken."""
PACE_SECONDS: Final = 0.1
"""Between two requests of one connection: nobody who looks at health or metrics needs more."""
LINGER_SECONDS: Final = 0.5
"""How long the other side gets to read the rest, when this side ends a connection."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body, which is never read; of several headers with one name the first counts."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: str = ""
    """The caller's address (`source_of`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; a HEAD request gets all but the body."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    known: bool = False
    """Whether the caller proved who it is, and may be here: such a one is kept when others have to go."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", {"content-length": str(len(self.body)), **self.headers})

    @classmethod
    def text(cls, status: HTTPStatus, text: str, **headers: str) -> Answer:
        """Return a plain text, fit for a terminal; underscores in the headers' names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, shown_lines(text).encode(), {"content-type": "text/plain; charset=utf-8", **named})


Handler = Callable[[Request], Awaitable[Answer]]


class Conversation:
    """Requests and answers on one connection, one after the other.

    Args:
        wire: the connection.
        handler: makes the answers.
        caller: the address that asks.

    Attributes:
        since: when what goes on now began, in seconds of the loop.
        working: whether an answer is being made; otherwise it is the caller that is waited for.
        unsent: bytes of an answer that the caller has yet to take.
        known: whether the last answer was to a caller who had proven who it is.
        closing: set to end with the answer that is under way.
    """

    def __init__(self, wire: Wire, handler: Handler, caller: str) -> None:
        self._wire = wire
        self._handler = handler
        self._caller = caller
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        self.working = False
        self.unsent = 0
        self.known = False
        self.closing = False

    async def run(self, on_answer: Callable[[], None]) -> None:
        """Answer until either side ends it.

        Args:
            on_answer: called when an answer is about to be sent.

        Raises:
            OSError: the connection broke.
            TimeoutError: the caller was too slow.
        """
        while True:
            async with asyncio.timeout(KEPT_SECONDS if self.known else REQUEST_SECONDS):
                request = await self._request()
            if request is None:
                return
            answer = request if isinstance(request, Answer) else await self._answer(request)
            self.known = answer.known
            data = self._encoded(answer)
            self.unsent = len(data)
            on_answer()
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._wire.send(data)
            self.unsent, self.since = 0, self._loop.time()
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                await self._part()
                return
            self._http.start_next_cycle()
            await asyncio.sleep(PACE_SECONDS)

    async def _request(self) -> Request | Answer | None:
        """Return the next request, the answer to what is none, or None when the caller has ended."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._wire.receive())
            if not isinstance(event, h11.Request):
                return None
            # A request that has no body is over with its head; a body stays unread.
            self._http.next_event()
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            return Answer.text(status, f"{status.phrase}\n")
        target, _, query = event.target.decode("latin-1").partition("?")
        headers: dict[str, str] = {}
        for name, value in event.headers:
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        return Request(event.method.decode("latin-1"), unquote(target), query, headers, self._caller)

    async def _answer(self, request: Request) -> Answer:
        self.working, self.since = True, self._loop.time()
        try:
            answer = await self._handler(request)
        except Exception:
            log.exception("a request could not be answered", path=request.path)
            answer = Answer.text(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error\n")
        finally:
            self.working, self.since = False, self._loop.time()
        return replace(answer, body=b"") if request.method == "HEAD" else answer

    def _encoded(self, answer: Answer) -> bytes:
        headers = {
            **answer.headers,
            "date": formatdate(usegmt=True),
            "x-content-type-options": "nosniff",
        }
        if self.closing or self._http.their_state in (h11.SEND_BODY, h11.ERROR):
            headers["connection"] = "close"
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        parts = (
            h11.Response(status_code=answer.status, headers=encoded, reason=answer.status.phrase.encode()),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        )
        return b"".join(self._http.send(part) or b"" for part in parts)

    async def _part(self) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._wire.part()
