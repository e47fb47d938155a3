"""What is wrong on the AWS side: objects say so in one clear sentence, the operator stays up and recovers."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from agentcore_simulator import Settings, SimulatorServer
from mcp_gateway_operator_demo.environment import OperatorProcess, free_port
from tests.integration.cli.test_bad_cluster import run
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, Site, ask, logs, said
from tests.support.polling import until

RECOVERY = 45.0
"""Seconds: failing Lists back off up to a minute."""


def test_no_region_is_known(kubeconfig: Path) -> None:
    status, lines, _ = run(f"--kubeconfig={kubeconfig}", AWS_REGION="")
    assert status == 1
    assert "--aws-region" in lines[-1]["msg"]
    assert "AWS_REGION" in lines[-1]["msg"]


def test_a_region_that_cannot_be_one_is_refused(kubeconfig: Path) -> None:
    status, lines, _ = run(f"--kubeconfig={kubeconfig}", AWS_REGION="us-east-1a")
    assert status == 1
    assert "'us-east-1a'" in lines[-1]["msg"]
    assert "us-east-1" in lines[-1]["msg"]


def test_a_profile_that_does_not_exist_is_named(kubeconfig: Path, tmp_path: Path) -> None:
    status, lines, _ = run(
        f"--kubeconfig={kubeconfig}",
        AWS_REGION="",
        AWS_PROFILE="staging",
        AWS_CONFIG_FILE=str(tmp_path / "none"),
    )
    assert status == 1
    assert "staging" in lines[-1]["msg"]


@pytest.mark.parametrize("endpoint", ["agentcore.example.com", "ftp://127.0.0.1:1"])
def test_an_endpoint_that_is_no_url_is_told_by_the_objects(site: Site, endpoint: str) -> None:
    process = site.start(endpoint_url=endpoint)
    site.create()
    told = site.until_reason_of("weather", {"AWSUnavailable", "AccessDenied", "ConfigurationError"})
    assert endpoint in told["message"] or "URL" in told["message"]
    _is_up(process)


def test_no_credentials_are_told_where_to_put_some(make_site: MakeSite) -> None:
    site = make_site()
    file = site.directory / "credentials"
    process = site.start(
        environment={
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_SHARED_CREDENTIALS_FILE": str(file),
            "AWS_CONFIG_FILE": str(site.directory / "none"),
        }
    )
    site.create()
    told = site.until_reason("CredentialsRefused")
    assert "No AWS credentials were found" in told["message"]
    assert "eks.amazonaws.com/role-arn" in told["message"]
    _is_up(process)
    file.write_text(
        f"[default]\naws_access_key_id = local\naws_secret_access_key = {secrets.token_hex(8)}\n",
        encoding="utf-8",
    )
    site.until_ready(seconds=RECOVERY)


def test_expired_credentials_are_told_and_survived(site: Site) -> None:
    site.simulator.admin.configure(expired_credentials=True)
    process = site.start()
    site.create()
    told = site.until_reason("CredentialsRefused")
    assert "expired" in told["message"]
    _is_up(process)
    site.simulator.admin.configure(expired_credentials=False)
    site.until_ready(seconds=RECOVERY)


def test_a_denied_list_names_the_action(site: Site) -> None:
    site.simulator.admin.configure(denied_actions=["ListGatewayTargets"])
    process = site.start()
    site.create()
    told = site.until_reason("AccessDenied")
    assert "ListGatewayTargets" in told["message"]
    assert condition(site.get(), "Stalled")["status"] == "True"
    _is_up(process)
    site.simulator.admin.configure(denied_actions=[])
    site.until_ready(seconds=RECOVERY)


def test_a_denied_create_names_the_action(site: Site) -> None:
    site.simulator.admin.configure(denied_actions=["CreateGatewayTarget"])
    process = site.start()
    site.create()
    told = site.until_reason("AccessDenied")
    assert "CreateGatewayTarget" in told["message"]
    assert site.targets() == []
    _is_up(process)


def test_a_gateway_of_another_region_is_not_found_and_the_message_says_where_it_was_looked_for(
    site: Site,
) -> None:
    process = site.start("--aws-region=eu-west-1")
    site.create()
    told = site.until_reason("GatewayNotFound")
    assert GATEWAY in told["message"]
    assert "eu-west-1" in told["message"]
    _is_up(process)
    assert site.targets() == []


def test_an_unreachable_endpoint_is_told_and_survived(site: Site) -> None:
    """The operator starts before AWS can be reached, stays ready and goes on when it can."""
    port = free_port()
    process = site.start(endpoint_url=f"http://127.0.0.1:{port}")
    site.create()
    told = site.until_reason("AWSUnavailable")
    assert f"http://127.0.0.1:{port}" in told["message"]
    _is_up(process)
    with SimulatorServer(Settings(), gateways=[GATEWAY], port=port):
        site.until_ready(seconds=RECOVERY)
        site.delete()
        site.until_gone(seconds=RECOVERY)


def test_aws_goes_away_under_settled_objects(make_site: MakeSite) -> None:
    """Ready is not taken back because nobody could look; it is again at work when AWS is back."""
    site = make_site()
    process = site.start()
    site.create()
    site.until_ready()
    site.simulator.admin.add_fault(operation="*", kind="reset", count=None)
    site.edit(description="While AWS is away")
    told = until(lambda: condition(site.get()) if _not_ready(site) else None, "the edit waits")
    assert told["status"] == "False"
    _is_up(process)
    site.simulator.admin.clear_faults()
    site.until_ready(seconds=RECOVERY)
    assert site.targets()[0]["description"].startswith("While AWS is away")


def test_errors_of_aws_are_not_tracebacks(site: Site) -> None:
    site.simulator.admin.add_fault(
        operation="CreateGatewayTarget", code="ConflictException", message="Another operation", count=2
    )
    process = site.start()
    site.create()
    site.until_ready(seconds=RECOVERY)
    refused = [line for line in said(process, "write to AWS") if line["answer"] != "OK"]
    assert [line["answer"] for line in refused] == ["ConflictException"] * 2
    assert all(line["aws_request_id"] and line["pass_id"] for line in refused)
    assert "Traceback" not in process.log.read_text(encoding="utf-8")
    assert [line for line in logs(process) if line["level"] == "error"] == []


def _not_ready(site: Site) -> bool:
    obj = site.get()
    found = condition(obj)
    return obj is not None and found["observedGeneration"] == 2 and found["status"] == "False"


def _is_up(process: OperatorProcess) -> None:
    """It neither ended nor lost its readiness: nothing that a restart could mend."""
    assert process.returncode is None
    assert ask(process, "/readyz") == (200, "ok")
    assert ask(process, "/healthz") == (200, "ok")
    assert "Traceback" not in process.log.read_text(encoding="utf-8")
