"""No patch empties a whole part of an object, whoever asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.runtime.cluster import NAMESPACES, PatchType, refuse_null
from tests.support.memory_cluster import MemoryCluster

STATUS = "/status"


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (PatchType.JSON, [{"op": "add", "path": STATUS, "value": None}]),
        (PatchType.JSON, [{"op": "replace", "path": STATUS, "value": None}]),
        (PatchType.JSON, [{"op": "add", "path": STATUS}]),
        (PatchType.JSON, [{"op": "remove", "path": STATUS}]),
        (PatchType.JSON, [{"op": "remove", "path": ""}]),
        (PatchType.JSON, None),
        (PatchType.MERGE, {"status": None}),
        (PatchType.MERGE, None),
        (PatchType.APPLY, {"kind": "MCPServer", "status": None}),
    ],
)
async def test_a_patch_that_would_empty_a_part_is_never_sent(kind: PatchType, patch: Any) -> None:
    cluster = MemoryCluster()
    with pytest.raises(ValueError, match="was not sent"):
        await cluster.patch(NAMESPACES, None, "default", patch, kind=kind)
    assert not cluster.server.log


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (PatchType.JSON, [{"op": "test", "path": STATUS, "value": None}]),
        (PatchType.JSON, [{"op": "remove", "path": "/metadata/annotations"}]),
        (PatchType.JSON, [{"op": "add", "path": STATUS, "value": {}}]),
        (PatchType.MERGE, {"metadata": {"annotations": None}}),
        (PatchType.MERGE, {"spec": {"targetName": None}}),
    ],
)
def test_what_takes_a_field_away_is_sent(kind: PatchType, patch: Any) -> None:
    refuse_null(patch, kind)
