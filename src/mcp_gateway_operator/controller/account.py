"""What AWS's answers have told of the account, whichever object they were for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mcp_gateway_operator.targets.known import Place

DENIED_SECONDS = 3600.0
"""Seconds for which AWS's refusal of Synchronize on a gateway is remembered: policies are mended, too."""

log = structlog.get_logger(__name__)


class Account:
    """Remembered for the life of the process.

    Attributes:
        heard: by gateway, the ARNs of those whose targets have answered, the latest last: they tell the
            account and Region that calls go to.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._denied_until: dict[Place, float] = {}
        self.heard: dict[Place, str] = {}

    def hear(self, place: Place, arn: str) -> None:
        """Note that a gateway answered."""
        self.heard.pop(place, None)
        self.heard[place] = arn

    def deny_sync(self, place: Place) -> None:
        """Note that AWS refused Synchronize on a gateway; the log says so once."""
        if not self._denied_until:
            log.warning(
                "AWS denies SynchronizeGatewayTargets: failed targets are repaired by an update instead. "
                "Add bedrock-agentcore:SynchronizeGatewayTargets to the operator's IAM policy."
            )
        self._denied_until[place] = self._clock() + DENIED_SECONDS

    def sync_denied(self, place: Place) -> bool:
        """Whether AWS is taken to refuse Synchronize on a gateway."""
        return self._clock() < self._denied_until.get(place, 0.0)
