"""Properties that hold after any sequence of calls: names, states, pages, tokens, counts."""

# ruff: noqa: D102  -- the names of the tests are sentences

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from agentcore_simulator import AdminClient, Engine, Request, Settings
from agentcore_simulator.settings import patched

from .conftest import GATEWAY, oauth, server

NAMES = st.sampled_from(["a", "b", "c"])
MODES = st.sampled_from(["DEFAULT", "DYNAMIC"])
TOKENS = st.sampled_from(["", *(letter * 40 for letter in "xyz")])
BUSY = {"CREATING", "UPDATING", "SYNCHRONIZING", "DELETING"}
SCOPE = {"authorization": "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"}


class Targets(RuleBasedStateMachine):
    """A caller that keeps its own small model of what must be true."""

    targets = Bundle("targets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.engine = Engine(Settings(), clock=lambda: self.now)
        self.admin = AdminClient.in_process(self.engine)
        self.admin.create_gateway(GATEWAY)
        self.alive: dict[str, dict[str, Any]] = {}
        self.answered: dict[str, tuple[bytes, str]] = {}
        self.calls = 0

    @initialize(transient=st.sampled_from(["conflict", "accept"]), jitter=st.sampled_from([0, 0.5]))
    def configure(self, transient: str, jitter: float) -> None:
        self.engine.plane.settings = patched(
            Settings(), {"switches": {"transient_writes": transient}, "durations": {"jitter": jitter}}
        )
        self.accept = transient == "accept"

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        raw = json.dumps(body).encode() if body is not None else b""
        self.calls += 1
        answer = self.engine.handle(Request(method, f"/gateways/{GATEWAY}/{path}", "", SCOPE, raw))
        return answer.status, json.loads(answer.body)

    def sync(self) -> dict[str, dict[str, Any]]:
        """What the service holds, by id."""
        return {target["targetId"]: target for target in self.admin.targets(GATEWAY)}

    @rule(target=targets, name=NAMES, mode=MODES, consent=st.booleans(), token=TOKENS)
    def create(self, name: str, mode: str, consent: bool, token: str) -> Any:
        body: dict[str, Any] = {"name": name, "targetConfiguration": server(listingMode=mode)}
        if consent and mode == "DEFAULT":
            body["credentialProviderConfigurations"] = oauth("AUTHORIZATION_CODE")
        if token:
            body["clientToken"] = token
        taken = name in {row["name"] for row in self.sync().values()}
        status, answer = self.call("POST", "targets/", body)
        request = json.dumps(body).encode()
        if token in self.answered:
            known, target_id = self.answered[token]
            assert status == (202 if known == request else 400)
            if status == 202:
                assert answer["targetId"] == target_id
            return multiple()
        assert status == (409 if taken else 202)
        if status != 202:
            return multiple()
        if token:
            self.answered[token] = request, answer["targetId"]
        assert answer["status"] == "CREATING"
        return answer["targetId"]

    @rule(target_id=targets, name=NAMES)
    def update(self, target_id: str, name: str) -> None:
        before = self.sync()
        others = {row["name"] for key, row in before.items() if key != target_id}
        body = {"name": name, "targetConfiguration": server("https://new.example.com")}
        status, answer = self.call("PUT", f"targets/{target_id}/", body)
        self.check_write(before, target_id, status, refused=name in others)
        if status == 202:
            assert (answer["status"], answer["name"]) == ("UPDATING", name)
            assert answer["credentialProviderConfigurations"] == []

    @rule(target_id=targets)
    def synchronize(self, target_id: str) -> None:
        before = self.sync()
        status, _ = self.call("PUT", "synchronizeTargets", {"targetIdList": [target_id]})
        self.check_write(before, target_id, status, refused=False)

    @rule(target_id=targets)
    def delete(self, target_id: str) -> None:
        before = self.sync()
        status, answer = self.call("DELETE", f"targets/{target_id}/")
        if target_id in before and before[target_id]["status"] == "DELETING" and self.accept:
            assert status == 202
            return
        self.check_write(before, target_id, status, refused=False)
        if status == 202:
            assert answer["status"] == "DELETING"

    def check_write(
        self, before: dict[str, dict[str, Any]], target_id: str, status: int, *, refused: bool
    ) -> None:
        if target_id not in before:
            assert status == 404
            return
        state = before[target_id]["status"]
        if state.endswith("PENDING_AUTH") or state == "DELETING" or (state in BUSY and not self.accept):
            assert status == 409
        else:
            assert status == (409 if refused else 202)

    @rule(target_id=targets)
    def approve(self, target_id: str) -> None:
        if self.sync().get(target_id, {}).get("status", "").endswith("PENDING_AUTH"):
            assert self.admin.consent(target_id)["status"] == "READY"

    @rule(target_id=consumes(targets))
    def vanish(self, target_id: str) -> None:
        if target_id in self.sync():
            self.admin.delete_target(target_id)
        assert self.call("GET", f"targets/{target_id}/")[0] == 404

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.4, 1.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def everything_settles(self) -> None:
        self.now += 1.0
        assert not {row["status"] for row in self.sync().values()} & BUSY

    @invariant()
    def names_are_unique(self) -> None:
        names = [row["name"] for row in self.sync().values()]
        assert len(names) == len(set(names))

    @invariant()
    def list_and_get_agree(self) -> None:
        _, page = self.call("GET", "targets/")
        for row in page["items"]:
            status, full = self.call("GET", f"targets/{row['targetId']}/")
            assert status == 200
            assert {key: full[key] for key in ("name", "status", "updatedAt")} == {
                key: row[key] for key in ("name", "status", "updatedAt")
            }
            assert ("authorizationData" in row) == row["status"].endswith("PENDING_AUTH")
            assert set(row["targetId"]) <= set(string.ascii_letters + string.digits)

    @invariant()
    def every_call_is_counted(self) -> None:
        assert sum(self.admin.counts()["operations"].values()) == self.calls


TestTargets = Targets.TestCase
TestTargets.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
