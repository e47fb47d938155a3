"""The rules by which kstatus reads an object, written down again: what Flux, kpt and `kubectl wait` see.

Source: sigs.k8s.io/cli-utils/pkg/kstatus/status, `Compute` for a kind that it does not know. kubectl's own
rule is that of `kubectl wait --for=condition=Ready` (k8s.io/kubectl/pkg/cmd/wait/condition.go).
"""

from __future__ import annotations

from typing import Any, Literal

Verdict = Literal["Terminating", "InProgress", "Failed", "Current"]


def kstatus(obj: dict[str, Any]) -> Verdict:
    """Return what kstatus says of an object."""
    meta = obj["metadata"]
    status = obj.get("status") or {}
    if meta.get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != meta.get("generation"):
        return "InProgress"
    conditions = status.get("conditions", [])
    for condition in conditions:
        if (condition["type"], condition["status"]) == ("Reconciling", "True"):
            return "InProgress"
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            return "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"


def kubectl_waits(obj: dict[str, Any], kind: str = "Ready") -> bool:
    """Return whether `kubectl wait --for=condition=KIND` would go on waiting."""
    generation = obj["metadata"].get("generation", 0)
    for condition in (obj.get("status") or {}).get("conditions", []):
        if condition["type"] == kind:
            if condition.get("observedGeneration", generation) < generation:
                return True
            return bool(condition["status"] != "True")
    return True
