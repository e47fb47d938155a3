"""The lease times of `run`: which go together, and how long they let a call to AWS take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mcp_gateway_operator.runtime import lease
from mcp_gateway_operator.targets.known import CALL_SECONDS

SHORTEST_CALL: Final = 5.0
"""Seconds: AWS answers most calls within one; with less, too many would be given up and looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """The times of every Lease of this process, in seconds.

    Raises:
        ValueError: with these times a lease is lost at once, cannot be taken, or ends before any call does.
            The message says what to set.
    """

    duration: float
    renew_deadline: float
    retry_period: float

    def __post_init__(self) -> None:
        if not self.retry_period < self.renew_deadline < self.duration:
            raise ValueError(
                "The lease times must grow: --leader-elect-retry-period < --leader-elect-renew-deadline "
                f"< --leader-elect-lease-duration. They are {self.retry_period:g}s, "
                f"{self.renew_deadline:g}s and {self.duration:g}s."
            )
        if self.duration > lease.LONGEST:
            raise ValueError(
                f"A lease cannot last {self.duration:g}s: set --leader-elect-lease-duration to "
                f"{lease.LONGEST}s at most; 60s suits most clusters."
            )
        spare = lease.spare(self.duration, self.retry_period)
        if spare < SHORTEST_CALL:
            raise ValueError(
                f"A lease of {self.duration:g}s that is renewed every {self.retry_period:g}s is too short "
                "for calls to AWS, so nothing could ever be written: set --leader-elect-lease-duration to "
                f"{self.duration + SHORTEST_CALL - spare:g}s or more, or a shorter "
                "--leader-elect-retry-period."
            )

    @property
    def call_seconds(self) -> float:
        """How long a call to AWS may take, so that the lease outlives it."""
        return min(CALL_SECONDS, lease.spare(self.duration, self.retry_period))
