"""boto3 on an engine of this process: no socket, no thread, and the engine's own time.

Everything of boto3 but the connection takes part: serialising, signing, parsing, retries.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from agentcore_simulator.engine import Engine
from agentcore_simulator.messages import Request


class _Raw(io.BytesIO):
    """What botocore reads a body from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def attach(client: Any, engine: Callable[[], Engine] | Engine) -> None:
    """Let `client` (of boto3, for AgentCore or STS) talk to an engine instead of the network.

    `engine` may be a function, called at each request, so that one client can serve many engines. An answer's
    delay is not waited for; a lost answer is the error that botocore raises for it.
    """

    def send(request: Any, **_: Any) -> AWSResponse:
        used = engine if not callable(engine) else engine()
        address = urlsplit(request.url)
        body = request.body or b""
        response = used.handle(
            Request(
                method=request.method,
                path=address.path or "/",
                query=address.query,
                headers={name.lower(): _text(value) for name, value in request.headers.items()},
                body=body.encode() if isinstance(body, str) else body,
            )
        )
        if response.effect == "hang":
            raise ReadTimeoutError(endpoint_url=request.url)
        if response.effect != "answer":
            raise ConnectionClosedError(endpoint_url=request.url)
        return AWSResponse(request.url, response.status, HeadersDict(response.headers), _Raw(response.body))

    client.meta.events.register("before-send", send, unique_id="agentcore-simulator")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
