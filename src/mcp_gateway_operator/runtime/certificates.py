"""The certificate of a TLS server: from files that may change at any time, or made for one process.

Kubernetes replaces the files of a mounted Secret by switching a symbolic link; cert-manager and people copy
one file after the other. So files are compared by content, at intervals, and a pair that does not work leaves
the old one in place.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from mcp_gateway_operator.runtime.http import ServerError
from mcp_gateway_operator.runtime.pem import as_file, reason

CHECK_SECONDS: Final = 10.0
"""Between two looks at the files; controller-runtime's certificate watcher polls as often."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain, the server's own first, and its private key, both PEM; they may be in one text."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Where a pair is."""

    chain: Path
    key: Path

    def read(self) -> Pair:
        """Return what the files hold, both halves from the same state of a mounted Secret.

        Raises:
            OSError: a file cannot be read.
        """
        chain = self.chain.read_bytes()
        while True:
            key = self.key.read_bytes()
            # The link to the directory may have been switched between the two reads.
            again = self.chain.read_bytes()
            if again == chain:
                return Pair(chain, key)
            chain = again


class Certificate:
    """Gives a server its TLS settings, and new connections the newest pair that works.

    Args:
        pair: the first pair.
        files: where newer ones appear; None for a pair that is never replaced.

    Attributes:
        context: what to serve with; it stays the same when the pair changes.
        reads: how often a pair was taken from the files.
        failures: how often one there did not work.

    Raises:
        ServerError: the pair does not work.
    """

    def __init__(self, pair: Pair, *, files: PairFiles | None = None) -> None:
        self._files = files
        self._pair = pair
        self._refused: Pair | str | None = None
        self.reads = int(files is not None)
        self.failures = 0
        try:
            self.context = _context(pair)
            self._current = _context(pair)
        except (ssl.SSLError, ValueError) as error:
            raise ServerError(f"The certificate cannot be used: {reason(error)}.") from None
        # A loaded pair cannot be taken out of a context, and one of another kind would be kept beside it. So
        # each pair has a context of its own, chosen when a handshake begins: OpenSSL asks this callback
        # whether or not the client names a server.
        self.context.sni_callback = self._choose

    @classmethod
    def from_files(cls, files: PairFiles) -> Certificate:
        """Load a pair from files.

        Raises:
            ServerError: a file cannot be read, or the pair does not work.
        """
        try:
            pair = files.read()
        except OSError as error:
            raise ServerError(
                f"The certificate cannot be read: {error.filename}: {error.strerror}."
            ) from None
        return cls(pair, files=files)

    @classmethod
    def self_signed(cls) -> Certificate:
        """Make a pair that lives in this process only.

        Raises:
            ServerError: it could not be made.
        """
        return cls(self_signed_pair([socket.gethostname()]))

    async def watch(self, *, interval: float = CHECK_SECONDS) -> None:
        """Take in new pairs until cancelled; return at once when there are no files."""
        while self._files is not None:
            await asyncio.sleep(interval)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Look at the files once; the outcome is logged. Blocks: not for the event loop's thread."""
        assert self._files is not None, "there is nothing to look at"
        try:
            pair = self._files.read()
        except OSError as error:
            self._keep_old(str(error), f"{error.filename}: {error.strerror}")
            return
        if pair == self._pair:
            self._refused = None
            return
        try:
            context = _context(pair)
        except (ssl.SSLError, ValueError) as error:
            self._keep_old(pair, reason(error))
            return
        self._current, self._pair, self._refused = context, pair, None
        self.reads += 1
        log.info("a new certificate is in use", file=str(self._files.chain))

    def _keep_old(self, refused: Pair | str, why: str) -> None:
        if refused == self._refused:
            return
        self._refused = refused
        self.failures += 1
        log.error(
            "The new certificate cannot be used, so the old one is kept: put a certificate and its own key "
            "in place, both PEM, the key without a password.",
            reason=why,
        )

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


def self_signed_pair(names: Sequence[str]) -> Pair:
    """Return a new self-signed pair for these host names and for loopback; takes some tenths of a second.

    Raises:
        ServerError: it could not be made.
    """
    done = subprocess.run(  # noqa: S603  -- this interpreter and a module of ours
        [sys.executable, "-m", "mcp_gateway_operator.runtime.self_signed", *names],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ServerError(f"A self-signed certificate could not be made: {why}.")
    return Pair(chain=done.stdout, key=b"")


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session would go on with the certificate it began with.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    with as_file(pair.key + b"\n" + pair.chain) as path:
        # Without a password argument, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(path, password="")
    return context
