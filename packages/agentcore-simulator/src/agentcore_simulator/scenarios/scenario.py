"""Scripts for endpoints and names: what the service finds when it connects to a target's server."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from agentcore_simulator.settings import Count, Seconds

UNREACHABLE = (
    "Failed to connect and fetch tools from the provided MCP target server. "
    "Error - Unable to connect to the MCP server. Please check the server"
)
"""The reason that AWS was seen to give for a server that does not answer."""

Reason = Annotated[str, msgspec.Meta(max_length=2048)]


class Scenario(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens to the targets that match. Patterns are shell globs; the first match counts."""

    name: str = "*"
    """Target name."""
    endpoint: str = "*"
    gateway: str = "*"
    """Gateway id."""
    account: str = "*"
    region: str = "*"
    outcome: Literal["ready", "failed", "consent", "random"] = "ready"
    """Of each connection: tools fetched, failed, consent wanted first, or failed with `probability`."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    reasons: Annotated[list[Reason], msgspec.Meta(max_length=100)] = msgspec.field(
        default_factory=lambda: [UNREACHABLE]
    )
    """statusReasons of a failure, verbatim."""
    tool_schema: Literal["found", "missing"] = "found"
    """With "missing", the static schema of a target has no tools (it is not in S3, say)."""
    recover_after: Count | None = None
    """With outcome "failed": succeed after this many failed connections to a target."""
    duration: Seconds | None = None
    """Seconds that CREATING, UPDATING and SYNCHRONIZING last, instead of the general ones."""
    deleting: Seconds | None = None
    """Seconds that DELETING lasts."""
    latency: Seconds = 0.0
    """Added to the answers of calls about such a target, in seconds."""
    consent_seconds: Seconds | None = None
    """How long an authorization URL stays valid."""

    def matches(self, *, name: str, endpoint: str, gateway: str, account: str, region: str) -> bool:
        """Whether this scenario is about the target of this name and endpoint in this gateway (its id)."""
        return all(
            pattern == "*" or fnmatchcase(value, pattern)
            for value, pattern in (
                (name, self.name),
                (endpoint, self.endpoint),
                (gateway, self.gateway),
                (account, self.account),
                (region, self.region),
            )
        )

    def verdict(self, probes: int, rng: random.Random) -> tuple[str, tuple[str, ...]]:
        """Outcome ("ready", "failed" or "consent") and reasons of one connection to a target.

        `probes` counts its connections, this one included.
        """
        outcome = self.outcome
        if outcome == "random":
            outcome = "failed" if rng.random() < self.probability else "ready"
        if outcome == "failed":
            if self.recover_after is not None and probes > self.recover_after:
                return "ready", ()
            return "failed", tuple(self.reasons)
        return outcome, ()
