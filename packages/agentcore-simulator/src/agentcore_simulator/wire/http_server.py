"""The simulator as an HTTP server: in its own process, or in a thread of a test."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from agentcore_simulator.admin import (
    AdminClient,
    apply_situation,
    dump_snapshot,
    load_snapshot,
    parse_situation,
    save_file,
)
from agentcore_simulator.engine import Engine
from agentcore_simulator.settings import Settings
from agentcore_simulator.wire.admin_guard import AdminGuard
from agentcore_simulator.wire.asgi import Application, SimulatorProtocol

_SAVE_SECONDS = 1.0
_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off: 40 ms an answer otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL to set as AWS_ENDPOINT_URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server, with signals left to us: it would raise them again before the state is saved.

    It ends as soon as it is told to; uvicorn looks ten times a second. Tests start and stop one each.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Tell the server to end, from any thread and whether it runs or not."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        # In this order: who calls `end` in between is seen by the tick or sets the event.
        self._loop = asyncio.get_running_loop()
        if not await self.on_tick(0):
            await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.force_exit:
            await super().shutdown(sockets)
            return
        # Without uvicorn's tenth of a second for connections that end by themselves.
        for closing in (*self.servers, *(sockets or ())):
            closing.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()


def make_server(engine: Engine, listener: socket.socket, hosts: Iterable[str]) -> _Server:
    """A uvicorn server for `engine`, to be run on `listener`; `hosts` are further names of the admin API."""
    config = uvicorn.Config(
        Application(engine, AdminGuard.listening(listener.getsockname()[0], *hosts)),
        http=SimulatorProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return _Server(config)


def prepare(
    engine: Engine,
    *,
    url: str,
    gateways: Iterable[str] = (),
    state: Path | None = None,
    scenario: Path | None = None,
) -> None:
    """Load the state file, if there is one, make the gateways that it does not have, apply the scenario file.

    What is in the state already (gateways and targets by name) stays; its scenarios, faults, other writers
    and changes of roles give way to those of the scenario file.

    `gateways` are ids, or ACCOUNT/REGION/ID for another place than that of the settings.

    Raises:
        ValueError: an id that no gateway can have, or a file that is no state or no scenario file.
        OSError: a file cannot be read.
    """
    engine.plane.base_url = url
    if state is not None and state.exists():
        load_snapshot(engine.plane, state.read_bytes())
    admin = AdminClient.in_process(engine)
    for wanted in gateways:
        account, region, gateway_id = _placed(wanted, engine.plane.settings)
        if gateway_id not in engine.plane.region(account, region).gateways:
            admin.account(account, region).create_gateway(gateway_id)
    if scenario is not None:
        situation = parse_situation(scenario.read_bytes())
        engine.plane.scenarios.clear()
        engine.plane.faults.faults.clear()
        engine.plane.writers.clear()
        engine.plane.roles.changes.clear()
        apply_situation(engine.plane, situation, engine.advance())


def _placed(wanted: str, settings: Settings) -> tuple[str, str, str]:
    """Account, Region and id of a wanted gateway."""
    match wanted.split("/"):
        case [gateway_id]:
            return settings.account, settings.region, gateway_id
        case [account, region, gateway_id]:
            return account, region, gateway_id
    raise ValueError(
        f"{wanted!r} is no gateway: say ID or ACCOUNT/REGION/ID, such as "
        "222222222222/eu-west-1/tools-abcdefghij."
    )


def serve(
    engine: Engine,
    listener: socket.socket,
    *,
    state: Path | None = None,
    probe: bool = False,
    admin_hosts: Iterable[str] = (),
    on_listening: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM; `on_listening` is called with the URL once connections are accepted.

    The admin API may be called by the names of loopback, the listener's address and `admin_hosts`. With
    `state` the control plane is saved to that file, within a second of a change and at the end. With `probe`
    the targets' servers are really connected to.

    Raises:
        ImportError: `probe` without the MCP SDK.
    """
    helpers: list[Callable[[], Coroutine[Any, Any, None]]] = []
    if state is not None:
        helpers.append(partial(_keep_saved, engine, state))
    if probe:
        from agentcore_simulator.wire.probing import Prober  # noqa: PLC0415  -- the MCP SDK is optional

        helpers.append(lambda: Prober(engine).run())
    asyncio.run(_serve(make_server(engine, listener, admin_hosts), listener, helpers, on_listening))
    if state is not None:
        _save(state, dump_snapshot(engine.plane))


async def _serve(
    server: _Server,
    listener: socket.socket,
    helpers: list[Callable[[], Coroutine[Any, Any, None]]],
    on_listening: Callable[[str], None],
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.end)
    # The socket listens already: whoever connects from now on waits in its backlog until the loop runs.
    on_listening(url_of(listener))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(helper()) for helper in helpers]
        await server.serve(sockets=[listener])
        for task in running:
            task.cancel()


async def _keep_saved(engine: Engine, state: Path) -> None:
    saved, seen = b"", (-1, -1)
    while True:
        engine.advance()
        # Cheap to know: without a request or a transition nothing can have changed.
        activity = (engine.requests, engine.plane.timeline.ran)
        if activity != seen:
            document = dump_snapshot(engine.plane)
            if document != saved:
                await asyncio.to_thread(_save, state, document)
            saved, seen = document, activity
        await asyncio.sleep(_SAVE_SECONDS)


def _save(state: Path, document: bytes) -> None:
    try:
        save_file(state, document)
    except OSError as error:
        _log.error("The state cannot be saved to %s: %s", state, error.strerror)


class SimulatorServer:
    """A simulator in a thread of this process, for tests.

    Example::

        with SimulatorServer(gateways=["demo-abcdefghij"]) as simulator:
            client = boto3.client("bedrock-agentcore-control", endpoint_url=simulator.url, ...)

    `admin` speaks to it over HTTP; `admin_hosts` are names by which others may, besides `host` and those of
    loopback. `engine` belongs to the server's thread: look, but do not touch while requests are under way.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        gateways: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_hosts: Iterable[str] = (),
    ) -> None:
        self.engine = Engine(settings, clock=clock)
        self._listener = listen(host, port)
        self.url = url_of(self._listener)
        """What to set as AWS_ENDPOINT_URL."""
        prepare(self.engine, url=self.url, gateways=gateways)
        self.admin = AdminClient.over_http(self.url)
        self._server = make_server(self.engine, self._listener, [host, *admin_hosts])
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="agentcore-simulator",
            daemon=True,
        )

    def start(self) -> Self:
        """Start serving; the simulator answers when this returns.

        Raises:
            OSError: the server does not answer.
        """
        self._thread.start()
        self.admin.health()
        return self

    def stop(self) -> None:
        """Stop serving and close all connections."""
        self._server.force_exit = True
        self._server.end()
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
