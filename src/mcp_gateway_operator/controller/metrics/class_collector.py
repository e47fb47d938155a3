"""What there is of MCPGateways, and what they decide about MCPServers, read at each scrape."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mcp_gateway_operator.api.mcpgateway import MCPGateway
from mcp_gateway_operator.api.names import ConditionType, Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.classes import Registry
from mcp_gateway_operator.controller.metrics import declared
from mcp_gateway_operator.controller.operator import Operator
from mcp_gateway_operator.runtime.declared_metrics import OTHER

NOT_READY: Final = "NotReady"
"""The gateway is there, and AWS reports it as something else than READY."""
_ACCEPTED: Final = "Accepted"
_OF_READY: Final = {
    "GatewayReady": NOT_READY,
    **{
        each: each
        for each in (
            Reason.DELETING,
            Reason.AWS_UNAVAILABLE,
            Reason.QUEUED,
            Reason.ROLE_REFUSED,
            Reason.WRONG_ACCOUNT_OR_REGION,
        )
    },
}
"""By the reason of an MCPGateway's Ready that is not True. Of another one's words none is repeated."""
_STATES: Final = ("permitted", "refused", "frozen")


class Classes(Collector):
    """MCPGateways, the objects that they decide about, and whether they are as known here.

    Args:
        operator: whose.
        all_namespaces: it sees all objects. One that does not tells of the MCPGateways alone that its objects
            name or use: the others may be meant for an operator of another account.
    """

    def __init__(self, operator: Operator, *, all_namespaces: bool) -> None:
        self._operator = operator
        self._all_namespaces = all_namespaces

    def collect(self) -> Iterable[Metric]:
        """Walk through all MCPGateways, and where anything speaks of them, through all objects."""
        registry = self._operator.registry
        counts = Counts(_standing(registry, each) for each in self._concerned(registry.all()))
        counts["True", _ACCEPTED] += 0
        ranked, most = counts.most_common(), declared.CLASSES.bound - 3
        shown = Counts(dict(ranked[:most]))
        for (accepted, _), count in ranked[most:]:
            shown[accepted, OTHER] += count
        classes = declared.CLASSES.gauges()
        for labels, count in shown.items():
            classes.add_metric(labels, count)
        known = declared.CLASSES_KNOWN.gauges()
        known.add_metric([], self._operator.reconciler.rulings.known)
        return [classes, self._objects(registry), known]

    def _concerned(self, classes: tuple[MCPGateway, ...]) -> Iterable[MCPGateway]:
        if self._all_namespaces or not classes:
            return classes
        reconciler = self._operator.reconciler
        used = {reconciler.settings.default_gateway, reconciler.rulings.default_class}
        for obj in self._operator.informer.values():
            used |= {obj.spec.class_name, obj.spec.gateway, obj.status.gateway_id}
        return [each for each in classes if each.name in used or (each.arn and each.arn.gateway_id in used)]

    def _objects(self, registry: Registry) -> Metric:
        counts = Counts[str]()
        if not self._operator.reconciler.rulings.idle:
            counts.update(_state(registry, each) for each in self._operator.informer.values())
        family = declared.CLASS_OBJECTS.gauges()
        for state in _STATES:
            family.add_metric([state], counts[state])
        return family


def _standing(registry: Registry, of: MCPGateway) -> tuple[str, str]:
    """Return what `mcps_classes` says of an MCPGateway.

    Whether it is accepted is known here; of its gateway its status tells, which who watches some namespaces
    does not write.
    """
    verdict = registry.verdict(of)
    if not verdict.accepted:
        return "Unknown" if verdict.accepted is None else "False", verdict.reason
    ready = of.condition(ConditionType.READY)
    if ready is None or ready.status == "True" or ready.observed_generation != of.metadata.generation:
        return "True", _ACCEPTED
    return "True", _OF_READY.get(ready.reason, _ACCEPTED)


def _state(registry: Registry, obj: MCPServer) -> str:
    """Return what MCPGateways decide about an object, "" where none does."""
    permitted = obj.status.condition(ConditionType.PERMITTED)
    if permitted is not None and permitted.status == "False":
        return "frozen" if obj.status.target_id else "refused"
    # That all is permitted is told with the next change of the status; until then what is known here says it.
    governed = obj.status.gateway_id and registry.governor(obj.status.gateway_id) is not None
    return "permitted" if governed or permitted is not None else ""
