"""What can go wrong with an AgentCore call, sorted by what the operator does about it."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """Classes of failure; each has one way to go on."""

    VALIDATION = "validation"
    """Refused as wrong: waits for a spec change or a slow re-check."""
    ACCESS_DENIED = "access-denied"
    """Refused for lack of rights: waits for a settings change or a slow re-check."""
    CREDENTIALS = "credentials"
    """Every call is refused, for its credentials or the clock they are signed by: all wait for a probe."""
    CONFLICT = "conflict"
    """409: a name is taken, or the target is in a state that allows no write."""
    THROTTLED = "throttled"
    """Too many calls: backs off."""
    QUOTA = "quota"
    """A service quota: a full gateway, or too many operations at once."""
    FULL = "quota-targets"
    """A gateway takes no more targets: told from an error of another class and from what is on it."""
    NOT_FOUND = "not-found"
    TRANSIENT = "transient"
    """5xx, network, time-out: tried again with backoff."""
    FENCED = "fenced"
    """Not sent: this process may not write any more."""


class AgentCoreError(Exception):
    """A call that failed.

    Attributes:
        kind: what to do about it.
        code: AWS's error code, or the SDK's exception name.
        message: AWS's words, without request ids.
        maybe_applied: the request may have taken effect although no answer said so.
        retry_after: seconds AWS asked to wait, if it did.
        unsent: no request went out, so that no quota has counted it.
    """

    def __init__(
        self,
        kind: ErrorKind,
        code: str,
        message: str,
        *,
        maybe_applied: bool = False,
        retry_after: float | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.kind = kind
        self.code = code
        self.message = message
        self.maybe_applied = maybe_applied
        self.retry_after = retry_after
        self.unsent = unsent or kind is ErrorKind.FENCED

    @property
    def words(self) -> tuple[ErrorKind, str, str]:
        """What tells one failure from another."""
        return self.kind, self.code, self.message
