"""uvicorn's HTTP/1.1, with the bounds that a port open to others needs."""

from __future__ import annotations

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS: Final = 10.0
"""In which a request must be complete."""
LINGER_SECONDS: Final = 0.5
"""How long the other side gets to read the rest and to close, when this side ends a connection."""


def end(transport: asyncio.Transport) -> None:
    """Close a connection for good: over TLS `close` alone waits half a minute for a client that idles."""
    if not transport.is_closing():
        # A second `close` would cut a TLS transport off from its protocol, and then it ignores `abort`.
        transport.close()
    asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)


class BoundedProtocol(H11Protocol):
    """Ends requests that are sent too slowly; uvicorn itself ends connections that idle after an answer."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(REQUEST_SECONDS, end, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request in; the clock runs until the whole request is there."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, end, self.transport)

    def shutdown(self) -> None:
        """End the connection when the answer under way has been sent (uvicorn's orderly end)."""
        super().shutdown()
        if getattr(self.cycle, "response_complete", True):  # there is no cycle before the first request
            end(self.transport)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
