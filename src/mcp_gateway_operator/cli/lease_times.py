"""The lease times of `run`: which go together, and how long they let a call to AWS take."""

from __future__ import annotations

from typing import Final

from mcp_gateway_operator.runtime import lease
from mcp_gateway_operator.targets.known import CALL_SECONDS

SHORTEST_CALL: Final = 5.0
"""Seconds: AWS answers most calls within one; with less, too many would be given up and looked for."""


def call_seconds(*, duration: float, renew_deadline: float, retry_period: float) -> float:
    """Return how long a call to AWS may take, in seconds, so that the lease outlives it.

    Raises:
        ValueError: with these times a lease is lost at once, cannot be taken, or ends before any call does.
            The message says what to set.
    """
    if not retry_period < renew_deadline < duration:
        raise ValueError(
            "The lease times must grow: --leader-elect-retry-period < --leader-elect-renew-deadline "
            f"< --leader-elect-lease-duration. They are {retry_period:g}s, {renew_deadline:g}s and "
            f"{duration:g}s."
        )
    if duration > lease.LONGEST:
        raise ValueError(
            f"A lease cannot last {duration:g}s: set --leader-elect-lease-duration to {lease.LONGEST}s at "
            "most; 60s suits most clusters."
        )
    spare = lease.spare(duration, retry_period)
    if spare < SHORTEST_CALL:
        raise ValueError(
            f"A lease of {duration:g}s that is renewed every {retry_period:g}s is too short for calls to "
            "AWS, so nothing could ever be written: set --leader-elect-lease-duration to "
            f"{duration + SHORTEST_CALL - spare:g}s or more, or a shorter --leader-elect-retry-period."
        )
    return min(CALL_SECONDS, spare)
