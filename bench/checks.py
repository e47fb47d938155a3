"""What does not depend on the machine: how many calls and writes each benchmark may cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from costs import MUTATIONS


def check(found: dict[str, dict[str, Any]], size: int) -> None:
    """Compare the figures of one fleet's life with what is promised.

    Raises:
        AssertionError: something cost more than is promised.
    """
    changed = size // 100 or 1
    # The objects that came alone stay: one each in B1, B3 and B4, and one more in B7.
    mutations = {
        "B1": {"CreateGatewayTarget": size + 1},
        "B2": {},
        "B3": {"CreateGatewayTarget": 1},
        "B8": {"UpdateGatewayTarget": changed, "CreateGatewayTarget": changed},
        "B4": {"UpdateGatewayTarget": size, "CreateGatewayTarget": 1},
        "B7": {"UpdateGatewayTarget": size, "CreateGatewayTarget": 1},
        "B5": {"DeleteGatewayTarget": found["B5"]["objects"]} if "B5" in found else {},
    }
    writes = {"B1": 3 * size + 3, "B2": 0, "B3": 3, "B8": 6 * changed, "B4": 3 * size + 3, "B7": 3 * size + 3}
    for name, figures in found.items():
        calls = Counter[str](figures["aws_calls"])
        made = {call: number for call, number in calls.items() if call in MUTATIONS}
        assert made == mutations[name], f"{name}: {made} instead of {mutations[name]}"
        done = figures["writes"].get("object", 0) + figures["writes"].get("status", 0)
        most = writes.get(name, 2 * size + 8)
        assert done <= most, f"{name}: {done} writes on MCPServers instead of {most} at most"
    calls = Counter[str](found["B1"]["aws_calls"])
    lists = calls.pop("ListGatewayTargets", 0)
    # A gateway, which has a hundred objects, is listed about once a second as long as something is in flight.
    seconds = found["B1"]["seconds_in_all"]
    most = (1.5 * seconds + 10) * max(1, size / 100)
    assert lists <= most, f"B1: {lists} Lists in {seconds} s for {size} objects"
    others = calls.total() - size - 1
    assert others <= 0.3 * size + 3, f"B1: {others} other calls for {size} objects"
