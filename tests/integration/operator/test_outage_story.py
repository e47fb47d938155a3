"""An outage on real parts, from its begin to its end: what status, health and log say, and what it costs."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.operator.kube import Json, condition
from tests.integration.operator.site import LOOKS, Site, ask, logs
from tests.support.polling import until


def _turned(site: Site, kind: str) -> Callable[[], Json | None]:
    """Return what looks for an object of which a condition is not known any more."""

    def look() -> Json | None:
        obj = site.get()
        return obj if condition(obj, kind).get("status") == "Unknown" else None

    return look


def test_lists_that_are_refused_are_told_twice_and_forgotten_at_once(
    make_site: Callable[..., Site],
) -> None:
    """One story, because each turn of it takes drift intervals: of a fifth of a second here."""
    site = make_site(flags=(LOOKS, "--ready-unknown-after=3s"))
    process = site.start()
    site.create()
    site.until_ready()
    site.until_calls("ListGatewayTargets", 2)

    with site.bill() as bill:
        site.simulator.admin.configure(denied_actions=["ListGatewayTargets"])
        obj = until(_turned(site, "Synced"), "Synced is not known", 60.0)
        assert condition(obj, "Synced")["reason"] == "AccessDenied"
        assert "targetStatus" not in obj["status"]
        assert ask(process, "/readyz") == (200, "ok")
        obj = until(_turned(site, "Ready"), "Ready is not known", 60.0)
        assert condition(obj, "Reconciling")["status"] == "True"
        assert condition(obj, "Stalled")["status"] == "False"
        assert "the last list" in condition(obj)["message"].lower()
        code, text = ask(process, "/readyz?verbose")
        assert code == 200
        assert "aws" in text
    assert bill.writes <= 2
    assert bill.aws_writes == {}

    with site.bill() as bill:
        site.simulator.admin.configure(denied_actions=[])
        # A List that is denied is made again within a minute at most.
        site.until_ready(seconds=120.0)
    assert bill.writes == 1
    assert bill.aws_writes == {}
    errors = [line for line in logs(process) if line["level"] == "error"]
    assert len(errors) == 1, errors
