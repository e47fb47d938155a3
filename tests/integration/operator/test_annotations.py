"""Annotations of an object on a real API server: what is told of them, and what waits for an operator."""

from __future__ import annotations

from mcp_gateway_operator.api.names import GROUP
from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import Site
from tests.support.polling import until


def annotate(site: Site, **values: str | None) -> None:
    """Set annotations with our prefix, or take them off."""

    def change(obj: Json) -> None:
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations |= {f"{GROUP}/{name.replace('_', '-')}": value for name, value in values.items()}
        obj["metadata"]["annotations"] = {
            key: value for key, value in annotations.items() if value is not None
        }

    site.kube.edit(site.namespace, "weather", change)


def told(site: Site) -> list[Json]:
    """Return the Events about annotations."""
    events = site.kube.events(site.namespace, "weather")
    return [each for each in events if each["reason"] == "AnnotationNotUnderstood"]


def test_a_wish_that_was_written_while_no_operator_ran_is_served_once(site: Site) -> None:
    process = site.start()
    site.create()
    site.until_ready()
    process.stop()
    annotate(site, reconcile_requested_at="meanwhile")
    for _ in range(2):
        process = site.start()
        until(lambda: (site.get() or {})["status"].get("lastReconcileRequest") == "meanwhile")
        process.stop()
    assert site.simulator.admin.counts()["operations"]["GetGatewayTarget"] == 1


def test_a_misspelt_key_and_an_odd_pause_are_told_once(running: Site) -> None:
    running.create()
    running.until_ready()
    annotate(running, pause="true", paused="maybe")
    running.until_paused()
    until(lambda: len(told(running)) == 2)
    obj = running.get()
    assert obj is not None
    assert "unknown annotation: did you mean paused?" in condition(obj, "Ready")["message"]
    annotate(running, pause=None, paused=None)
    running.until_ready()
    found = told(running)
    assert sorted(each["count"] for each in found) == [1, 1]
    assert {each["type"] for each in found} == {"Warning"}
