"""Which gateways AWS does not show, and why: told once for each cause, whatever number of objects wait."""

from __future__ import annotations

from mcp_gateway_operator.agentcore.accounts import Observers
from mcp_gateway_operator.runtime.causes import Causes
from mcp_gateway_operator.targets.known import Place
from mcp_gateway_operator.targets.rules import reason_of, why_unlisted

ADVICE = (
    "What MCPServers say of their targets there is in doubt, and not known any more once this has lasted "
    "long; nothing is lost, and all of it is put right when the lists succeed again."
)


class OutageReport:
    """Passes on what the observer knows of outages."""

    def __init__(self, observer: Observers, causes: Causes) -> None:
        self._observer = observer
        self._causes = causes

    def follow(self, gateway_id: str) -> None:
        """Take in what is known of a gateway now."""
        table = self._observer.table(gateway_id)
        outage = table.view.outage if table is not None else None
        if outage is None:
            self._causes.end(gateway_id)
            return
        place = Place(gateway_id)
        why = why_unlisted(place, outage.error).rstrip(".")
        self._causes.begin(reason_of(outage.error, place), gateway_id, f"{why}. {ADVICE}")
