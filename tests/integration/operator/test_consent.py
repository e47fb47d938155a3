"""A person's consent on real parts: the address is in the status, and nowhere else."""

from __future__ import annotations

import httpx2

from tests.integration.operator.kube import condition
from tests.integration.operator.site import QUICK, Site
from tests.integration.operator.test_authorisations import CODE, PROVIDER
from tests.support.polling import until

SYNC = "mcpgateway.bedrock.aws/sync-requested-at"


def told(site: Site, name: str) -> str:
    """Return the Events on an object, and what the operator logged, as text."""
    logged = site.processes[-1].log.read_text(encoding="utf-8")
    return f"{site.kube.events(site.namespace, name)}{logged}"


def test_a_person_consents_at_the_address_in_the_status(running: Site) -> None:
    with running.bill() as bill:
        running.create("asks", **CODE)
        running.until_reason("PendingAuthorization", "asks")
        obj = running.get("asks") or {}
        status = obj["status"]
        assert condition(obj, "Authorized")["status"] == "False"
        assert status["targetStatus"] == "CREATE_PENDING_AUTH"
        assert status["authorizationExpires"] > status["lastSynchronized"]
        until(lambda: "status.authorizationUrl" in told(running, "asks"), "the Event names the field")
        assert status["authorizationUrl"] not in told(running, "asks")
        # The simulator's page stands for the identity provider's.
        httpx2.get(status["authorizationUrl"], timeout=20.0).raise_for_status()
        obj = running.until_ready("asks")
    assert condition(obj, "Authorized")["status"] == "True"
    assert "authorizationUrl" not in obj["status"]
    assert bill.aws_writes == {"CreateGatewayTarget": 1}
    # One for the address, and one because the state changed without a write of ours.
    assert bill.calls["GetGatewayTarget"] <= 2
    assert bill.writes <= 4

    running.edit("asks", oauthGrantType="CLIENT_CREDENTIALS")
    assert condition(running.until_ready("asks"), "Authorized") == {}


def test_consent_that_ran_out_is_renewed_when_asked_and_deletion_waits(site: Site) -> None:
    site.start()
    site.create(**{**CODE, "oauthProviderArn": PROVIDER})
    site.until_reason("PendingAuthorization")
    first = (site.get() or {})["status"]["authorizationUrl"]
    with site.bill() as bill:
        site.simulator.admin.advance(QUICK.consent)
        site.until_reason("TargetFailed")
        site.until_calls("ListGatewayTargets", 3)
    assert bill.aws_writes == {}, "nobody is asked again without a wish"
    site.kube.edit(site.namespace, "weather", lambda obj: obj["metadata"].update(annotations={SYNC: "now"}))
    site.until_reason("PendingAuthorization")
    assert (site.get() or {})["status"]["authorizationUrl"] != first
    with site.bill() as bill:
        site.delete()
        until(lambda: "DeleteGatewayTarget" in site.simulator.admin.counts()["operations"], "it asks AWS")
        site.until_calls("ListGatewayTargets", 3)
        assert site.get(), "AWS deletes nothing that waits for a person"
        site.simulator.admin.advance(QUICK.consent)
        site.until_gone()
    assert site.targets() == []
    assert bill.aws_writes["DeleteGatewayTarget"] <= 3
