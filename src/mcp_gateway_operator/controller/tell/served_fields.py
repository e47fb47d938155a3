"""A status in the terms of the installed CRD: an older one prunes the fields that it does not know."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from mcp_gateway_operator.api.types import MCPServerStatus


def keep_served(status: MCPServerStatus, served: frozenset[str]) -> MCPServerStatus:
    """Return a status without what the API server would prune, so that it compares equal when read back."""
    return msgspec.structs.replace(status, **_blanks(served))


@lru_cache(maxsize=1)
def _blanks(served: frozenset[str]) -> dict[str, Any]:
    blank = MCPServerStatus()
    fields = msgspec.structs.fields(MCPServerStatus)
    return {field.name: getattr(blank, field.name) for field in fields if field.encode_name not in served}
