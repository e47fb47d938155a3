"""A small HTTP server in this process's event loop: for health probes and metrics.

Whoever reaches a port may open connections to it, so sockets are bounded from the moment they are accepted:
where there are too many, the one that has let us wait the longest goes and the new one stays. Of several,
those go last whose caller has proven who it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import resource
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from mcp_gateway_operator.runtime.fair_slots import FairSlots
from mcp_gateway_operator.runtime.http1 import Conversation, Handler
from mcp_gateway_operator.runtime.wire import Wire, reading

MAX_CONNECTIONS: Final = 64
"""Open at a time on one port."""
DESCRIPTOR_SHARE: Final = 4
"""One port never has more than this part of the files that the process may open."""
MAX_UNSENT: Final = 4 * 1024 * 1024
"""Bytes of answers that callers let wait, on all connections of a port together."""
BACKLOG: Final = 1024
"""Connections that the kernel keeps until they are accepted, which takes a fraction of a millisecond each."""
RECEIVE_BUFFER, SEND_BUFFER = 16 * 1024, 64 * 1024
"""Bytes that the kernel keeps for each connection; Linux doubles them."""
HANDSHAKE_SECONDS: Final = 5.0
"""In which a TLS connection must be ready for its first request."""
HANDSHAKE_PACE: Final = 0.01
"""Seconds between two that begin: each takes a millisecond or two of the process's only loop."""
ACCEPT_PAUSE: Final = 0.1
"""Seconds after which is tried again what the kernel refused, when no connection can be ended for it."""
STOP_SECONDS: Final = 2.0
"""That answers under way get when the server stops."""
COMPLAINT_SECONDS: Final = 60.0
"""At most one log line of a kind in this time."""
KNOWN_ADDRESSES: Final = 64
MAX_PORT: Final = 65535
EVERYWHERE: Final = ("", "0.0.0.0", "::")  # noqa: S104  -- what people write for all addresses
IPV6_NETWORK: Final = 64
"""Bits that one host's addresses share: it may have any of the rest."""

log = structlog.get_logger(__name__)


class ServerError(Exception):
    """The server cannot start; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class BindAddress:
    """Where to listen, in controller-runtime's notation; a port of 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> BindAddress | None:
        """Parse ":8081" (all addresses), "127.0.0.1:0", "[::1]:8081"; "0" and "" mean off, None.

        Raises:
            ValueError: the text is none of these.
        """
        if text in ("", "0"):
            return None
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        well_formed = colon and bracketed == (":" in host) and not set(host) & set("[]/ ")
        if not (well_formed and re.fullmatch(r"[0-9]{1,5}", port) and int(port) <= MAX_PORT):
            raise ValueError(
                f"{text!r} is not an address to listen on: "
                'write ":8081", "127.0.0.1:8081", "[::1]:8081" or "0".'
            )
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def bind(self) -> socket.socket:
        """Return a listening socket.

        As in Go an empty host, `0.0.0.0` and `::` alike take IPv4 and IPv6 where the machine has both; of a
        name's addresses the first IPv4 one is taken, or else the first.

        Raises:
            ServerError: the address is taken or is not this machine's.
        """
        try:
            listener = self._everywhere() if self.host in EVERYWHERE else self._here()
        except OSError as error:
            raise ServerError(f"Cannot listen on {self}: {error.strerror}.") from None
        # Connections inherit these. Of its own the kernel lets each buffer grow to megabytes, which count
        # against the container's memory; and it holds the end of an answer back until the rest was confirmed.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setblocking(False)
        return listener

    def _everywhere(self) -> socket.socket:
        if socket.has_dualstack_ipv6():
            try:
                return socket.create_server(
                    ("::", self.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
                )
            except OSError as error:
                # The kernel knows IPv6, and no interface has it.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
        return socket.create_server(("0.0.0.0", self.port), backlog=BACKLOG)  # noqa: S104  -- as it was asked for

    def _here(self) -> socket.socket:
        host = self.host
        with contextlib.suppress(ValueError):
            host = str(getattr(ipaddress.ip_address(host), "ipv4_mapped", None) or host)
        found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
        return socket.create_server(address, family=family, backlog=BACKLOG)


class Server(Protocol):
    """What a manager runs beside the controller."""

    async def run(self) -> None:
        """Serve until `close` or cancellation; raises ServerError when the address cannot be bound."""

    def close(self) -> None:
        """Stop serving; `run` then returns."""


class HttpServer:
    """Serves one handler.

    Args:
        handler: makes the answers.
        address: where to listen.
        tls: the certificate to serve with; None for plain HTTP.

    Attributes:
        port: the port bound; 0 while not serving.
        bound: set when connections are accepted.
    """

    def __init__(self, handler: Handler, address: BindAddress, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._address = address
        self._tls = tls
        self._limit = _connection_limit()
        self._open: dict[asyncio.Task[None], _Caller] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._handshakes = {known: FairSlots(1, waiting=self._limit) for known in (False, True)}
        self._closing = asyncio.Event()
        self._complained_at: dict[str, float] = {}
        self.port = 0
        self.bound = asyncio.Event()

    async def run(self) -> None:
        """Serve until `close` or cancellation.

        Raises:
            ServerError: the address cannot be bound.
        """
        with self._address.bind() as listener:
            self.port = listener.getsockname()[1]
            accepting = asyncio.create_task(self._accept_all(listener))
            closing = asyncio.create_task(self._closing.wait())
            self.bound.set()
            try:
                await asyncio.wait((accepting, closing), return_when=asyncio.FIRST_COMPLETED)
                if accepting.done():
                    accepting.result()
            finally:
                self.port = 0
                self.bound.clear()
                accepting.cancel()
                closing.cancel()
                await self._end_all()

    def close(self) -> None:
        """Stop serving; `run` then returns."""
        self._closing.set()

    async def _accept_all(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, (host, *_) = await reading(listener, listener.accept)
            except OSError as error:
                # A connection that broke before it was taken, or no descriptor, buffer or memory for it.
                self._complain("connections cannot be accepted; it is tried again", error=str(error))
                if (ended := self._shed()) is None:
                    await asyncio.sleep(ACCEPT_PAUSE)
                else:
                    # Not longer: whoever waits behind a thousand silent connections would wait as often.
                    await asyncio.wait((ended,))
                continue
            if len(self._open) < self._limit or self._shed():
                self._begin(sock, source_of(host))
            else:
                sock.close()
            # An accept that does not wait gives nobody else a turn.
            await asyncio.sleep(0)

    def _begin(self, sock: socket.socket, address: str) -> None:
        wire = Wire(sock)
        caller = _Caller(address, Conversation(wire, self._handler, address))
        task = asyncio.create_task(self._serve(wire, caller))
        self._open[task] = caller
        task.add_done_callback(lambda task: self._open.pop(task, None))
        # A task that is cancelled before its first step never comes to its `finally`.
        task.add_done_callback(lambda _: wire.close())

    async def _serve(self, wire: Wire, caller: _Caller) -> None:
        try:
            if self._tls is not None:
                async with asyncio.timeout(HANDSHAKE_SECONDS):
                    await wire.readable()
                    async with self._handshakes[caller.address in self._known].slot(caller.address):
                        await asyncio.sleep(HANDSHAKE_PACE)
                    await wire.secure(self._tls)
            await caller.talk.run(lambda: self._on_answer(caller))
        except (OSError, TimeoutError):
            pass  # what callers do is no news
        except Exception:
            log.exception("a connection failed")

    def _on_answer(self, caller: _Caller) -> None:
        if caller.talk.known:
            self._known[caller.address] = None
            self._known.move_to_end(caller.address)
            if len(self._known) > KNOWN_ADDRESSES:
                self._known.popitem(last=False)
        while sum(each.talk.unsent for each in self._open.values()) > MAX_UNSENT:
            if not self._shed(lambda each: each is not caller and each.talk.unsent > 0):
                return

    def _shed(self, among: Callable[[_Caller], bool] = lambda _: True) -> asyncio.Task[None] | None:
        """End the connection that is worth the least, and return the task that closes it, if there is one.

        Not one whose answer is being made: that costs something already, and ends by itself.
        """
        shares = Counter(each.address for each in self._open.values())

        def worth(task: asyncio.Task[None]) -> tuple[bool, bool, int, float]:
            each = self._open[task]
            return each.talk.known, each.address in self._known, -shares[each.address], each.talk.since

        idle = [task for task, each in self._open.items() if not each.talk.working and among(each)]
        if not idle:
            return None
        victim = min(idle, key=worth)
        del self._open[victim]
        victim.cancel()
        return victim

    async def _end_all(self) -> None:
        for task, caller in self._open.items():
            caller.talk.closing = True
            if not caller.talk.working and not caller.talk.unsent:
                task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _complain(self, what: str, **details: object) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._complained_at.get(what, now):
            self._complained_at[what] = now + COMPLAINT_SECONDS
            log.warning(what, port=self.port, **details)


@dataclass(frozen=True, slots=True, eq=False)
class _Caller:
    """One open connection."""

    address: str
    talk: Conversation


def source_of(host: str) -> str:
    """Return what an address counts as: of IPv6 its network, of which one host may use every address."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped is not None:
        return host
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))


def _connection_limit() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = MAX_CONNECTIONS if files == resource.RLIM_INFINITY else files // DESCRIPTOR_SHARE
    return max(1, min(MAX_CONNECTIONS, share))
