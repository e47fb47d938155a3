"""One call of an operation on its way through the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentcore_simulator.plane.control_plane import ControlPlane
from agentcore_simulator.plane.resources import Gateway, Target
from agentcore_simulator.protocol import Caller


@dataclass(slots=True)
class Call:
    """Operation, caller, validated request and time (epoch seconds).

    `target_id` is filled in by operations that take a target's id in the body, and `found` with the target
    that a call is about, for the request log.
    """

    operation: str
    caller: Caller
    params: dict[str, Any]
    now: float
    target_id: str | None = None
    found: Target | None = None

    def gateway(self, plane: ControlPlane) -> Gateway:
        """The gateway that the request names.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        return plane.gateway(self.caller.account, self.caller.region, self.params["gatewayIdentifier"])

    def target(self, plane: ControlPlane, gateway: Gateway) -> Target:
        """The target that the request names.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        self.found = plane.target(gateway, self.target_id or self.params["targetId"])
        return self.found
