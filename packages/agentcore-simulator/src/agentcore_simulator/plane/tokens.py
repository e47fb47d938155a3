"""clientToken memory and opaque page tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec

from agentcore_simulator.errors import ServiceError, validation

_MAX_TOKENS = 500_000


@dataclass(slots=True)
class Remembered:
    """One token's request and outcome."""

    body: bytes
    """SHA-256 of the request without its token."""
    at: float
    outcome: bytes | ServiceError


class ClientTokens:
    """What was answered to which clientToken, by account, Region and operation."""

    def __init__(self) -> None:
        self.table: OrderedDict[tuple[str, ...], Remembered] = OrderedDict()

    def recall(
        self, key: tuple[str, ...], request: dict[str, Any], *, lifetime: float | None, now: float
    ) -> bytes | None:
        """The answer already given to this token; None for a token that is new or forgotten.

        Raises:
            ServiceError: the token was used with other parameters, or for a request whose refusal is kept.
        """
        self._forget(lifetime, now)
        remembered = self.table.get(key)
        if remembered is None:
            return None
        if remembered.body != _digest(request):
            raise validation(
                "The client token was already used with other request parameters.",
                reason="IdempotentParameterMismatchException",
            )
        if isinstance(remembered.outcome, ServiceError):
            raise remembered.outcome
        return remembered.outcome

    def remember(
        self, key: tuple[str, ...], request: dict[str, Any], outcome: bytes | ServiceError, now: float
    ) -> None:
        """Keep the outcome of a request for its token."""
        self.table[key] = Remembered(_digest(request), now, outcome)
        self.table.move_to_end(key)
        if len(self.table) > _MAX_TOKENS:
            self.table.popitem(last=False)

    def clear(self) -> None:
        """Forget all tokens."""
        self.table.clear()

    def _forget(self, lifetime: float | None, now: float) -> None:
        if lifetime is None:
            return
        while self.table:
            key, oldest = next(iter(self.table.items()))
            if now - oldest.at < lifetime:
                return
            del self.table[key]


def _digest(request: dict[str, Any]) -> bytes:
    stable = msgspec.json.encode({k: v for k, v in request.items() if k != "clientToken"}, order="sorted")
    return hashlib.sha256(stable).digest()


def page_token(position: int) -> str:
    """An opaque token for the page that starts after `position` (a serial number of the listing)."""
    raw = b"sim:%d" % position
    return base64.urlsafe_b64encode(raw + hashlib.sha256(raw).digest()[:6]).decode()


def page_position(token: str | None) -> int:
    """The position that a page token stands for; 0 without one.

    Raises:
        ServiceError: ValidationException for a token that this service did not make.
    """
    if token is None:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError):
        decoded = b""
    raw, checksum = decoded[:-6], decoded[-6:]
    if not raw.startswith(b"sim:") or hashlib.sha256(raw).digest()[:6] != checksum:
        raise validation("The nextToken is not valid.", fields=[("nextToken", "Invalid pagination token")])
    return int(raw[4:])
