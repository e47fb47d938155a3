"""Whose turn it is when a target goes from a gateway that was full."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway_operator.agentcore.observe import Change
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.controller.gather.object_index import Key
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import Place


class FullGateways:
    """The objects that wait for a place on each full gateway, the one that waits longest first.

    A place that gets free lets one of them try, not all: the others ask again in their own time.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Key, None]] = {}

    def follow(self, key: Key, place: Place, wait: act.Wait | None) -> None:
        """Note how a pass ended: who waits keeps his place in the line, who does not leaves it."""
        waits = isinstance(wait, act.Blocked) and wait.reason == Reason.GATEWAY_FULL
        for other in [each for each, line in self._waiting.items() if key in line]:
            if not waits or other != place.gateway_id:
                self._leave(key, other)
        if waits:
            self._waiting.setdefault(place.gateway_id, {}).setdefault(key)

    def freed(self, gateway_id: str, changes: Sequence[Change]) -> list[Key]:
        """Return those whose turn it is: one for each target that is gone."""
        places = sum(change.after is None for change in changes)
        turn = list(self._waiting.get(gateway_id, ()))[:places]
        for key in turn:
            self._leave(key, gateway_id)
        return turn

    def _leave(self, key: Key, gateway_id: str) -> None:
        line = self._waiting[gateway_id]
        del line[key]
        if not line:
            del self._waiting[gateway_id]
