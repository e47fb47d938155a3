"""Who this program is to the API server: fixed words, token files and exec plugins, which change as it runs.

Files and plugins are read off the event loop's thread. Sources: kubelet rotates a projected ServiceAccount
token when 80 % of its life is over, and client-go reads the file again every minute; the exec protocol is
`client.authentication.k8s.io/v1`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from mcp_gateway_operator.runtime.cluster import UNREADABLE
from mcp_gateway_operator.runtime.kubeconfig import Cluster, ExecPlugin

EXEC_VERSIONS: Final = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1alpha1",
)
READ_AGAIN: Final = 60.0
"""Seconds after which a token file is read again."""
EXPIRY_MARGIN: Final = 60.0
"""Seconds before its end at which an exec plugin's token is no longer used."""
EXEC_SECONDS: Final = 60.0
"""That a plugin may take."""
EXEC_BYTES: Final = 256 * 1024
"""That a plugin may print: a token has some kilobytes."""
_EXTENSION: Final = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is meant for plugins."""


class CredentialsError(Exception):
    """No token could be had; the message says from where, and holds nothing secret."""


class Credentials(Protocol):
    """Gives the Authorization header of requests."""

    async def authorization(self, *, refused: str = "") -> str:
        """Return the header's value; nothing where there are no credentials.

        Args:
            refused: the value that the server did not accept: another one is wanted, if there is one.

        Raises:
            CredentialsError: there is none to be had.
        """


class FixedCredentials:
    """The same words always; none for a user without credentials, or with a certificate."""

    def __init__(self, words: str) -> None:
        self._words = words

    async def authorization(self, *, refused: str = "") -> str:  # noqa: ARG002  -- there are no others
        """Return them."""
        return self._words


class _Tokens(ABC):
    """Bearer tokens; another one is had, once for all requests, when one is refused."""

    def __init__(self, token: str = "") -> None:
        self._token = token
        self._lock = asyncio.Lock()

    async def authorization(self, *, refused: str = "") -> str:
        """Return a token that is good as far as is known here."""
        async with self._lock:
            # Many requests are refused at once when a token ends; the first of them gets the new one for all.
            if not self._token or refused == f"Bearer {self._token}" or self._is_old():
                self._token = await self._fetch()
            return f"Bearer {self._token}"

    @abstractmethod
    def _is_old(self) -> bool:
        """Return whether the token is better renewed before it is used."""

    @abstractmethod
    async def _fetch(self) -> str:
        """Return a fresh token, or raise CredentialsError."""


class TokenFile(_Tokens):
    """The token of a file that someone else keeps fresh.

    Args:
        path: the file.
        token: what serves while the file has none.
    """

    def __init__(self, path: Path, *, token: str = "") -> None:
        super().__init__(token)
        self._path = path
        self._read_at = float("-inf")

    def _is_old(self) -> bool:
        return asyncio.get_running_loop().time() - self._read_at >= READ_AGAIN

    async def _fetch(self) -> str:
        self._read_at = asyncio.get_running_loop().time()
        try:
            token = (await asyncio.to_thread(self._path.read_text)).strip() or self._token
        except (OSError, UnicodeDecodeError) as error:
            if self._token:
                # The one that worked may do so for some time yet.
                return self._token
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise CredentialsError(f"The token file {self._path} cannot be read: {why}.") from None
        if not token:
            raise CredentialsError(f"The token file {self._path} is empty.")
        return token


class _ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str = ""
    status: _ExecStatus = _ExecStatus()


class ExecCredentials(_Tokens):
    """The token that a credential plugin prints, for example `aws eks get-token`.

    Args:
        plugin: the program.
        cluster: what it is told of the cluster, if it wants to know.

    Raises:
        CredentialsError: it wants what a program without a terminal cannot give, or speaks another protocol.
    """

    def __init__(self, plugin: ExecPlugin, cluster: Cluster) -> None:
        super().__init__()
        self._name = f"The credential plugin {plugin.command!r}"
        if not plugin.command:
            raise CredentialsError("exec names no command")
        if plugin.api_version not in EXEC_VERSIONS:
            raise CredentialsError(
                f"{self._name} speaks {plugin.api_version!r}; supported are {', '.join(EXEC_VERSIONS)}"
            )
        if plugin.interactive_mode == "Always":
            raise CredentialsError(
                f"{self._name} wants to ask at a terminal (interactiveMode: Always), and there is none here"
            )
        self._plugin = plugin
        self._cluster = _told_of(cluster) if plugin.provide_cluster_info else None
        self._expires: datetime | None = None

    def _is_old(self) -> bool:
        # The plugin states the end in wall-clock time, so only a wall clock can be compared with it.
        return (
            self._expires is not None and (self._expires - datetime.now(UTC)).total_seconds() < EXPIRY_MARGIN
        )

    async def _fetch(self) -> str:
        plugin = self._plugin
        spec = {"interactive": False} | ({"cluster": self._cluster} if self._cluster else {})
        info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
        environment.update((variable.name, variable.value) for variable in plugin.env)
        try:
            async with asyncio.timeout(EXEC_SECONDS):
                return self._taken(await self._run(environment))
        except TimeoutError:
            raise CredentialsError(f"{self._name} took longer than {EXEC_SECONDS:g} s.") from None
        except OSError as error:
            raise CredentialsError(
                f"{self._name} cannot be started: {error.strerror}. {plugin.install_hint}".strip()
            ) from None

    async def _run(self, environment: Mapping[str, str]) -> bytes:
        # A pipe of our own: for asyncio's `wait` no process has ended before its pipe has, which a child in
        # another session may hold, and which is not read to its end while much of it waits to be taken.
        output, theirs = os.pipe()
        with os.fdopen(output, "rb", buffering=0) as ours:
            try:
                process = await self._started(environment, theirs)
            finally:
                os.close(theirs)
            try:
                answer = await _read(ours, EXEC_BYTES + 1)
                if len(answer) > EXEC_BYTES:
                    raise CredentialsError(f"{self._name} printed more than {EXEC_BYTES} bytes.")
                if status := await process.wait():
                    raise CredentialsError(
                        f"{self._name} failed with exit status {status}. What it wrote about that is not "
                        "shown, since it may hold secrets: run it by hand."
                    )
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return answer

    async def _started(self, environment: Mapping[str, str], output: int) -> asyncio.subprocess.Process:
        """Return the plugin's process, the first of a group that ends with it."""
        return await asyncio.create_subprocess_exec(
            self._plugin.command,
            *self._plugin.args,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            # What plugins write there may hold the very secrets they handle, so it is not even read.
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    def _taken(self, answer: bytes) -> str:
        try:
            credential = msgspec.json.decode(answer, type=_ExecCredential)
        except UNREADABLE:
            raise CredentialsError(f"{self._name} did not answer with an ExecCredential in JSON.") from None
        if credential.api_version not in ("", self._plugin.api_version):
            raise CredentialsError(
                f"{self._name} did not answer in {self._plugin.api_version}, as it was asked to."
            )
        status = credential.status
        if status.client_certificate_data or status.client_key_data:
            raise CredentialsError(
                f"{self._name} gave a client certificate, which is not taken from plugins here: let it give "
                "a token, or put the certificate into the kubeconfig."
            )
        if not status.token:
            raise CredentialsError(f"{self._name} gave no token.")
        self._expires = status.expiration_timestamp
        return status.token


async def _read(pipe: BinaryIO, most: int) -> bytes:
    """Return what comes out of a pipe until it ends, or the first bytes of it."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return await reader.readexactly(most)
    except asyncio.IncompleteReadError as complete:
        return complete.partial
    finally:
        transport.close()


def _told_of(cluster: Cluster) -> dict[str, Any]:
    """Return what a plugin is told with `provideClusterInfo`; a file with certificates must be readable."""
    data = cluster.certificate_authority_data
    if cluster.certificate_authority:
        data = base64.b64encode(Path(cluster.certificate_authority).read_bytes()).decode()
    known = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": data,
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": next((each.extension for each in cluster.extensions if each.name == _EXTENSION), None),
    }
    return {name: value for name, value in known.items() if value}
