"""Bearer tokens for the API server that change while the process runs: token files and exec plugins.

Both are read off the event loop's thread. Sources: kubelet rotates a projected ServiceAccount token when 80 %
of its life is over, and client-go reads the file again every minute; the exec protocol is
`client.authentication.k8s.io/v1`.
"""

from __future__ import annotations

import asyncio
import json
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec
from lightkube.config.models import UserExec

EXEC_VERSIONS = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
)
READ_AGAIN = 60.0
"""Seconds after which a token file is read again."""
EXPIRY_MARGIN = 60.0
"""Seconds before its end at which an exec plugin's token is no longer used."""
EXEC_TIMEOUT = 60.0
"""Seconds that a plugin may take."""


class CredentialsError(Exception):
    """No token could be had; the message says from where."""


class _TokenAuth(httpx2.Auth, ABC):
    """Puts a bearer token on each request, and asks for another one, once, when it is refused."""

    def __init__(self) -> None:
        self._token = ""
        self._lock = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        token = await self._current(refused="")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            renewed = await self._current(refused=token)
            if renewed != token:
                request.headers["Authorization"] = f"Bearer {renewed}"
                yield request

    async def _current(self, *, refused: str) -> str:
        async with self._lock:
            # Many requests are refused at once when a token ends; the first of them gets the new one for all.
            if not self._token or self._token == refused or self._is_old():
                self._token = await self._fetch()
            return self._token

    @abstractmethod
    def _is_old(self) -> bool:
        """Return whether the token is better renewed before it is used."""

    @abstractmethod
    async def _fetch(self) -> str:
        """Return a fresh token, or raise CredentialsError."""


class TokenFileAuth(_TokenAuth):
    """The token of a file that someone else keeps fresh."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._read_at = 0.0

    def _is_old(self) -> bool:
        return asyncio.get_running_loop().time() - self._read_at >= READ_AGAIN

    async def _fetch(self) -> str:
        try:
            token = (await asyncio.to_thread(self._path.read_text)).strip()
        except OSError as error:
            raise CredentialsError(f"The token file {self._path} cannot be read: {error.strerror}") from None
        self._read_at = asyncio.get_running_loop().time()
        return token


class _ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct):
    status: _ExecStatus = _ExecStatus()


class ExecAuth(_TokenAuth):
    """The token that a credential plugin prints, for example `aws eks get-token`."""

    def __init__(self, plugin: UserExec) -> None:
        super().__init__()
        if plugin.apiVersion not in EXEC_VERSIONS:
            raise CredentialsError(
                f"The credential plugin {plugin.command!r} speaks {plugin.apiVersion!r}; known are "
                + ", ".join(EXEC_VERSIONS)
            )
        self._plugin = plugin
        self._expires: datetime | None = None

    def _is_old(self) -> bool:
        # The plugin states the end in wall-clock time, so only a wall clock can be compared with it.
        return (
            self._expires is not None and (self._expires - datetime.now(UTC)).total_seconds() < EXPIRY_MARGIN
        )

    async def _fetch(self) -> str:
        plugin = self._plugin
        info = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        environment.update((variable.name, variable.value) for variable in plugin.env or ())
        try:
            answer = await _run([plugin.command, *(plugin.args or ())], environment)
        except OSError as error:
            raise CredentialsError(
                f"The credential plugin {plugin.command!r} cannot be started: {error.strerror}. "
                + (plugin.installHint or "")
            ) from None
        try:
            status = msgspec.json.decode(answer, type=_ExecCredential).status
        except msgspec.DecodeError as error:
            raise CredentialsError(f"The credential plugin {plugin.command!r} answered {error}") from None
        if not status.token:
            raise CredentialsError(f"The credential plugin {plugin.command!r} gave no token")
        self._expires = status.expiration_timestamp
        return status.token


async def _run(command: list[str], environment: dict[str, str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(EXEC_TIMEOUT):
            out, err = await process.communicate()
    except TimeoutError:
        raise CredentialsError(
            f"The credential plugin {command[0]!r} took longer than {EXEC_TIMEOUT:g} s"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        detail = err.decode(errors="replace").strip()[-500:]
        raise CredentialsError(f"The credential plugin {command[0]!r} failed: {detail}")
    return out
