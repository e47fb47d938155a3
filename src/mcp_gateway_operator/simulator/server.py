"""The simulator as an HTTP server: in its own process, or in a thread of a test."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import uvicorn

from .asgi import Application, SimulatorProtocol
from .client import AdminClient
from .engine import Engine
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


def make_server(engine: Engine) -> uvicorn.Server:
    """A uvicorn server for `engine`, to be run on a socket of `listen`."""
    config = uvicorn.Config(
        Application(engine),
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
    return uvicorn.Server(config)


def add_gateways(engine: Engine, gateways: Iterable[str]) -> None:
    """Make gateways with the given ids in the default account and Region.

    Raises:
        ValueError: an id that no gateway can have.
    """
    admin = AdminClient.in_process(engine)
    for gateway_id in gateways:
        admin.create_gateway(gateway_id)


def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    gateways: Iterable[str] = (),
    on_listening: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM. `on_listening` is called with the URL once connections are accepted."""
    engine = Engine(settings, clock=time.time)
    engine.world.base_url = url_of(listener)
    add_gateways(engine, gateways)
    server = make_server(engine)
    # The socket listens already: whoever connects from now on waits in its backlog until the loop runs.
    on_listening(url_of(listener))
    server.run(sockets=[listener])


class SimulatorServer:
    """A simulator in a thread of this process, for tests.

    Example::

        with SimulatorServer(gateways=["demo-abcdefghij"]) as simulator:
            client = boto3.client("bedrock-agentcore-control", endpoint_url=simulator.url, ...)

    `admin` speaks to it over HTTP. `engine` belongs to the server's thread: look, but do not touch while
    requests are under way.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        gateways: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._listener = listen(host, port)
        self.url = url_of(self._listener)
        """What to set as AWS_ENDPOINT_URL."""
        self.engine = Engine(settings, clock=clock)
        self.engine.world.base_url = self.url
        add_gateways(self.engine, gateways)
        self.admin = AdminClient.over_http(self.url)
        self._server = make_server(self.engine)
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
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
