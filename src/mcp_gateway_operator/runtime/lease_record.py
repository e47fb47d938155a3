"""A Lease as the API server keeps it, and how long one of another holder has stayed as it is."""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.runtime.cluster import UNREADABLE, ApiError

LONGEST_HOLDER: Final = 200
"""Characters of a holder that are shown; a namespace and the name of a pod take up to 317, most take 60."""


class Spec(msgspec.Struct, rename="camel"):
    """coordination.k8s.io/v1 LeaseSpec, as far as leader election uses it; stamps are MicroTimes."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """What identifies a version of a Lease. Others may write more there, of any size; it is not kept."""

    name: str
    namespace: str
    uid: str
    resource_version: str


class Record(msgspec.Struct):
    """One version of a Lease."""

    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)

    @property
    def holder(self) -> str:
        """Who holds it, "" when it was given up."""
        return self.spec.holder_identity or ""


_decode = msgspec.json.Decoder(Record).decode


def decode(raw: bytes | msgspec.Raw) -> Record:
    """Return a Lease from JSON.

    Raises:
        ApiError: it is none; whoever answered, a proxy perhaps, may do better the next time.
    """
    try:
        return _decode(raw)
    except UNREADABLE as error:
        raise ApiError(0, "BrokenAnswer", f"the answer is not a Lease: {error}") from None


class Sight:
    """Judges by our own eyes whether a holder has stopped renewing: clocks of two machines are not compared.

    Attributes:
        free_at: seconds of our clock at which the lease last looked at has run out, should it stay as it is.
    """

    def __init__(self) -> None:
        self._version = ""
        self._since = 0.0
        self.free_at = 0.0

    def has_run_out(self, record: Record, now: float, *, duration: float) -> bool:
        """Return whether the lease has not changed for as long as it is good.

        Args:
            record: the lease as read just now.
            now: seconds of any clock that does not run backwards.
            duration: seconds that count where the lease does not say how long it is good.
        """
        if self._version != record.metadata.resource_version:
            self._version, self._since = record.metadata.resource_version, now
        stated = record.spec.lease_duration_seconds
        self.free_at = self._since + (duration if stated is None else stated)
        return now >= self.free_at


def shown(holder: str) -> str:
    """Return a holder as people may see it: whoever may write the Lease writes what he likes there."""
    short = holder if len(holder) <= LONGEST_HOLDER else f"{holder[:LONGEST_HOLDER]}..."
    return short if short.isascii() and short.isprintable() else ascii(short)
