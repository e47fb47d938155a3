"""Label selectors, as Kubernetes reads them (k8s.io/apimachinery, LabelSelectorAsSelector)."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_gateway_operator.api.mcpgateway import LabelExpression, LabelSelector


def selects(selector: LabelSelector, labels: Mapping[str, str] | None) -> bool:
    """Return whether a selector selects these labels; None are labels that cannot be read.

    Only an empty selector selects what is not known. What the operator does not understand selects nothing.
    """
    if not selector.match_labels and not selector.match_expressions:
        return True
    if labels is None:
        return False
    alike = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return alike and all(_holds(each, labels) for each in selector.match_expressions)


def _holds(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value in expression.values
        case "NotIn":
            # Without values it is invalid, and must not select everything.
            return bool(expression.values) and value not in expression.values
        case "Exists":
            return value is not None and not expression.values
        case "DoesNotExist":
            return value is None and not expression.values
        case _:
            return False
