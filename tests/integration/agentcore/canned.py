"""A loopback server that answers one thing to every request, for what the simulator does not do."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Canned:
    """Answers `answer` (raw HTTP) to each request; None accepts and never answers."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.arrived = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        host, port = self._listener.getsockname()
        self.url = f"http://{host}:{port}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.requests.append(_request(connection))
            self.arrived.set()
            if self.answer is not None:
                connection.sendall(self.answer)
                connection.close()

    def stop(self) -> None:
        """Close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        self._thread.join(5)


def _request(connection: socket.socket) -> bytes:
    """Return one request, whose body may come after its head."""
    data = connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *([0-9]+)", head, re.IGNORECASE)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0 and (more := connection.recv(missing)):
        data, missing = data + more, missing - len(more)
    return data


@contextmanager
def canned(
    status: str = "200 OK", body: str = "", *, header: str = "", answers: bool = True
) -> Iterator[Canned]:
    """Serve one answer for the length of a block; `header` is a line of its head."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head += f"{header}\r\n" if header else ""
    server = Canned(f"{head}Connection: close\r\n\r\n{body}".encode() if answers else None)
    try:
        yield server
    finally:
        server.stop()
