"""The sample graph, walked in the order in which kro walks it, against the real operator.

Templates are expanded here by following plain paths; the API server's CEL engine then confirms every value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentcore_simulator import Settings
from agentcore_simulator.settings import Durations
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.site import Site
from tests.integration.packaging.kro.cel import Engine, expressions
from tests.integration.packaging.kro.kinds import GRAPH, INSTANCE, Json, load

IDS = ["deployment", "service", "ingress", "mcpserver"]


@pytest.fixture(scope="module")
def engine(kro: LocalCluster) -> Engine:
    """The API server's CEL with every expression of the graph."""
    return Engine(kro, expressions(load(GRAPH)), ["schema", *IDS])


@dataclass
class Walk:
    """One AgentTool on its way: the objects that are there, by the ids of the graph."""

    engine: Engine
    site: Site
    resources: dict[str, Json]
    objects: dict[str, Json] = field(default_factory=dict)

    def make(self, resource: str) -> Json:
        """Make one resource of the graph, as its template says."""
        self.objects[resource] = _create(self.site, self._expand(self.resources[resource]["template"]))
        return self.objects[resource]

    def write_status(self, resource: str, status: Json) -> None:
        """Write a status in the name of the resource's controller, of which none runs."""
        written = self.objects[resource]
        path = f"{_path(self.site, written)}/{written['metadata']['name']}/status"
        self.objects[resource] = self.site.cluster.patch(path, {"status": status})

    def assert_ready_is(self, expected: bool, resource: str) -> None:
        """Evaluate `readyWhen`; an error is neither true nor false."""
        (condition,) = self.resources[resource]["readyWhen"]
        self.assert_value(condition, expected)

    def assert_value(self, text: str, expected: Any) -> None:
        """Let the API server compare a text that is one expression with its value."""
        (expression,) = expressions(text)
        assert self.engine.differs(expression, self.objects, expected) == ""

    def _expand(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: self._expand(value) for name, value in tree.items()}
        if isinstance(tree, list):
            return [self._expand(value) for value in tree]
        if not isinstance(tree, str):
            return tree
        found = expressions(tree)
        values = {each: self._look_up(each) for each in found}
        if found and tree == f"${{{found[0]}}}":
            return values[found[0]]
        return re.sub(r"\$\{(.*?)\}", lambda match: str(values[match[1]]), tree)

    def _look_up(self, expression: str) -> Any:
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", expression)]
        value: Any = self.objects
        for step in steps:
            value = value[step]
        assert self.engine.differs(expression, self.objects, value) == ""
        return value


def _create(site: Site, made: Json) -> Json:
    """Create an object in the namespace of a site, as `kubectl create --validate=strict` does."""
    return site.cluster.post(f"{_path(site, made)}?fieldValidation=Strict", made)


def _path(site: Site, made: Json) -> str:
    version, kind = made["apiVersion"], made["kind"].lower()
    root = "apis" if "/" in version else "api"
    plural = f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return f"/{root}/{version}/namespaces/{site.namespace}/{plural}"


def _walk(engine: Engine, site: Site) -> Walk:
    walk = Walk(engine, site, {each["id"]: each for each in load(GRAPH)["spec"]["resources"]})
    walk.objects["schema"] = _create(site, load(INSTANCE))
    return walk


def _publish(walk: Walk) -> None:
    walk.make("deployment")
    walk.write_status("deployment", {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1})
    walk.make("service")
    walk.make("ingress")
    walk.write_status("ingress", {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}})


def test_the_graph_knows_the_four_resources() -> None:
    assert [each["id"] for each in load(GRAPH)["spec"]["resources"]] == IDS


def test_the_graph_ends_in_a_target_and_shows_what_the_operator_reports(
    engine: Engine, make_site: MakeSite
) -> None:
    site = make_site(settings=Settings(durations=Durations(creating=3.0)))
    walk = _walk(engine, site)
    _publish(walk)
    made = walk.make("mcpserver")
    assert made["spec"]["endpoint"] == "https://weather.mcp.example.com/mcp"
    assert made["spec"]["oauthScopes"] == ["weather.read"]
    assert made["status"] == {"observedGeneration": -1}, "nobody has seen it yet"
    walk.assert_ready_is(False, "mcpserver")

    site.start()
    site.until_reason("Creating")
    walk.objects["mcpserver"] = site.get() or {}
    assert walk.objects["mcpserver"]["status"]["targetId"], "AWS has the target, and is not done"
    walk.assert_ready_is(False, "mcpserver")

    walk.objects["mcpserver"] = site.until_ready()
    walk.assert_ready_is(True, "mcpserver")
    (target,) = site.targets()
    shown = load(GRAPH)["spec"]["schema"]["status"]
    expected = {
        "endpoint": "https://weather.mcp.example.com/mcp",
        "targetId": target["targetId"],
        "targetStatus": "READY",
        "gatewayArn": target["gatewayArn"],
        "availableReplicas": 1,
    }
    assert set(shown) == set(expected)
    for name, value in expected.items():
        walk.assert_value(shown[name], value)
    assert target["name"] == "weather"


def test_what_no_controller_has_touched_is_not_ready_and_no_error(
    engine: Engine, make_site: MakeSite
) -> None:
    walk = _walk(engine, make_site())
    walk.make("deployment")
    walk.assert_ready_is(False, "deployment")
    walk.write_status("deployment", {"replicas": 2, "unavailableReplicas": 2})
    walk.assert_ready_is(False, "deployment")
    walk.write_status("deployment", {"readyReplicas": 1, "availableReplicas": 1})
    walk.assert_ready_is(True, "deployment")

    walk.make("service")
    walk.make("ingress")
    walk.assert_ready_is(False, "ingress")
    walk.write_status("ingress", {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}})
    walk.assert_ready_is(True, "ingress")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"conditions": []},
        {"conditions": [{"type": "Synced", "status": "True"}]},
        {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Synced", "status": "True"}]},
        {"conditions": [{"type": "Ready", "status": "Unknown"}]},
    ],
    ids=["empty", "none", "another", "false", "unknown"],
)
def test_only_ready_true_is_ready(engine: Engine, status: Json) -> None:
    (server,) = (each for each in load(GRAPH)["spec"]["resources"] if each["id"] == "mcpserver")
    (expression,) = expressions(server["readyWhen"])

    assert engine.differs(expression, {"mcpserver": {"status": status}}, False) == ""


def test_the_engine_tells_a_wrong_value_and_an_error(engine: Engine) -> None:
    expression = "mcpserver.status.targetId"

    assert "not equal" in engine.differs(expression, {"mcpserver": {"status": {"targetId": "A"}}}, "B")
    assert "no such key" in engine.differs(expression, {"mcpserver": {}}, "A")
