"""May this MCPServer be on that gateway? Decided from an MCPGateway, the namespace's labels and the spec.

Default deny: what no entry of `allow` permits is refused, and so is every field of a spec that stands in no
table.
"""

from __future__ import annotations

from mcp_gateway_operator.targets.permit.decision import Refusal, Use, refusal

__all__ = ["Refusal", "Use", "refusal"]
