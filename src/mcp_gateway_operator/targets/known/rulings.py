"""What an MCPGateway says of one object in one place, as a decision rests on it."""

from __future__ import annotations

from typing import Final

import msgspec

from mcp_gateway_operator.api.types import PlacedBy


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing new is done for an object in a place.

    Attributes:
        reason: of the condition Permitted.
        message: which rule, and who can change it.
        elsewhere: it is about the place that the spec asks for, where the object has nothing yet.
        unproven: the MCPGateway does not permit the object, so only the marker proves that a target is its.
    """

    reason: str
    message: str
    elsewhere: bool = False
    unproven: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one object in one place.

    Attributes:
        frozen: why nothing is created, changed, synchronized, adopted or moved there; None where it may be.
        placed_by: the MCPGateway that governs the place, None where none does.
        gateway_url: where agents reach the gateway, as the MCPGateway tells.
        capacity: targets that the gateway may hold, None where nobody says.
        deletion_policy, drift_policy: for an object that says nothing itself, "" where nobody says.
        policies_known: what the MCPGateway says of them can be read.
    """

    frozen: Frozen | None = None
    placed_by: PlacedBy | None = None
    gateway_url: str = ""
    capacity: int | None = None
    deletion_policy: str = ""
    drift_policy: str = ""
    policies_known: bool = True


FREE: Final = Ruling()
"""What holds where no MCPGateway governs."""
