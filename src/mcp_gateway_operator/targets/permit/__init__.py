"""May this MCPServer be on that gateway? Decided from an MCPGateway, the namespace's labels and the spec.

Default deny: what no entry of `allow` permits is refused, and so is every field of a spec that stands in no
table.
"""

from __future__ import annotations

from mcp_gateway_operator.targets.permit.admission import admission_binding, admission_policy
from mcp_gateway_operator.targets.permit.decision import ENTRY_RULES, Refusal, Use, refusal
from mcp_gateway_operator.targets.permit.fields import SPEC_FIELDS, Treatment

__all__ = [
    "ENTRY_RULES",
    "SPEC_FIELDS",
    "Refusal",
    "Treatment",
    "Use",
    "admission_binding",
    "admission_policy",
    "refusal",
]
