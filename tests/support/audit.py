"""Looks at every state that an MCPServer ever has in the API server, as tools that wait for it would."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from mcp_gateway_operator.controller.ports import MCPSERVERS
from tests.support.kstatus import kstatus, kubectl_waits
from tests.support.memory_store import Store

ALWAYS = ("Ready", "Synced", "Reconciling", "Stalled")
"""Conditions that the first status has, and every later one."""
UNSEEN = {"observedGeneration": -1}
"""The status that the CRD gives an object without one."""


class Audit:
    """Collects states and complaints from the moment it is made.

    An empty status, which only a user writes, is not looked at.
    """

    def __init__(self, store: Store) -> None:
        self.states: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self._store = store
        self._revision = store.revision
        self._last: dict[str, dict[str, Any]] = {}
        self._next = store.on_change
        store.on_change = self._look

    def said(self, kind: str = "Ready", name: str = "") -> list[tuple[str, str]]:
        """Return the (status, reason) that a condition went through, without repetitions."""
        found: list[tuple[str, str]] = []
        for obj in self.states:
            told = conditions(obj).get(kind)
            if told and (not name or obj["metadata"]["name"] == name):
                pair = (told["status"], told["reason"])
                if not found or found[-1] != pair:
                    found.append(pair)
        return found

    def reasons(self) -> set[str]:
        """Return all reasons in any condition of any object."""
        return {told["reason"] for obj in self.states for told in conditions(obj).values()}

    def statuses(self) -> dict[str, list[str]]:
        """Return what kstatus said of each object, by name, without repetitions."""
        told: dict[str, list[str]] = defaultdict(list)
        for obj in self.states:
            verdicts = told[obj["metadata"]["name"]]
            if not verdicts or verdicts[-1] != kstatus(obj):
                verdicts.append(kstatus(obj))
        return dict(told)

    def start_over(self) -> None:
        """Take the next state of each object for its first: etcd was set back."""
        self._last.clear()
        self._revision = self._store.revision

    def _look(self) -> None:
        for change in self._store.history:
            if change.revision > self._revision and change.resource == MCPSERVERS:
                self._take(msgspec.json.decode(change.body))
        self._revision = self._store.revision
        self._next()

    def _take(self, obj: dict[str, Any]) -> None:
        uid = obj["metadata"]["uid"]
        before = self._last.get(uid)
        self._last[uid] = obj
        status = obj.get("status")
        if status is None:
            obj["status"] = dict(UNSEEN)
        self.states.append(obj)
        if status is None:
            assert kstatus(obj) in {"InProgress", "Terminating"}
        elif status and (before is None or status != before.get("status")):
            self._check(before, obj)

    def _check(self, before: dict[str, Any] | None, obj: dict[str, Any]) -> None:
        told = conditions(obj)
        if not set(ALWAYS) <= set(told):
            self._complain(obj, "a condition is missing")
            return
        generation = obj["metadata"]["generation"]
        if kstatus(obj) == "Current" and told["Ready"]["status"] != "True":
            self._complain(obj, "kstatus says Current, and it is not Ready")
        if kstatus(obj) == "Current" and told["Ready"]["observedGeneration"] != generation:
            self._complain(obj, "kstatus says Current of an older generation")
        pair = (told["Ready"]["status"], told["Synced"]["status"])
        if pair in {("True", "False"), ("Unknown", "True"), ("Unknown", "False")}:
            self._complain(obj, "Ready and Synced do not go together")
        if told["Reconciling"]["status"] == told["Stalled"]["status"] == "True":
            self._complain(obj, "both Reconciling and Stalled")
        if kstatus(obj) == "Current" and kubectl_waits(obj):
            self._complain(obj, "kstatus says Current, and kubectl waits")
        for kind, condition in conditions(before or {}).items():
            new = told.get(kind)
            if new is None or not condition.get("lastTransitionTime"):
                continue
            same = new["status"] == condition["status"]
            if same and new["lastTransitionTime"] != condition["lastTransitionTime"]:
                self._complain(obj, f"lastTransitionTime of {kind} moved, and its status did not")

    def _complain(self, obj: dict[str, Any], text: str) -> None:
        self.complaints.append(f"{obj['metadata']['name']}: {text}: {obj.get('status')}")


def conditions(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return an object's conditions by type."""
    return {condition["type"]: condition for condition in (obj.get("status") or {}).get("conditions", [])}
