"""Every alert fires when it should and not a moment else, as promtool runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mcp_gateway_operator.controller.metrics.declared import DECLARED
from mcp_gateway_operator.controller.metrics.reasons import ACTS, Actor
from mcp_gateway_operator.runtime.controller_metrics import DECLARED as OF_CONTROLLERS
from tests.support.promtool import ROOT, RULES, Story, groups_of, run_promtool, run_stories

RULE: dict[str, Any] = yaml.safe_load(RULES.read_text())
OF_CHART: dict[str, Any] = {
    "spec": yaml.safe_load(
        (ROOT / "helm/mcp-gateway-operator/files/alerts.yaml").read_text().replace("@namespace@", "ops")
    )
}
ALERTS = {each["alert"]: each for each in RULE["spec"]["groups"][0]["rules"]}
POD = 'namespace="ops",pod="one"'
HEALTHY = {
    "mcps_build_info{version='1',POD}": "1",
    "leader_election_master_status{name='b89ac0a6.bedrock.aws',POD}": "1",
    "mcps_fence_shut_seconds{POD}": "0",
    "mcps_unserved_fields{POD}": "0",
    "mcps_guard_leases{state='held',POD}": "1",
    "mcps_guard_leases{state='other',POD}": "0",
    "mcps_aws_credentials_valid{POD}": "1",
    "mcps_gateway_healthy{gateway='g',POD}": "1",
    "mcps_gateway_objects{gateway='g',POD}": "90",
    "mcps_gateway_targets{gateway='g',POD}": "90",
    "mcps_gateway_targets_limit{POD}": "100",
    "mcps_default_gateway_info{gateway='g',POD}": "1",
    "mcps_orphaned_targets{gateway='g',POD}": "0",
    "mcps_classes{accepted='True',reason='Accepted',POD}": "2",
    "mcps_classes_known{POD}": "1",
    "mcps_class_objects{state='permitted',POD}": "90",
    "mcps_class_objects{state='refused',POD}": "0",
    "mcps_class_objects{state='frozen',POD}": "0",
    "mcps_objects{ready='True',stalled='False',reason='GatewayTargetReady',POD}": "90",
    "mcps_aws_queue_age_seconds{lane='interactive',POD}": "0",
    "mcps_aws_queue_age_seconds{lane='background',POD}": "0",
    "mcps_fought_over_objects{POD}": "0",
    "controller_runtime_reconcile_panics_total{controller='mcpserver',POD}": "0",
    # Another operator of the same Prometheus.
    "leader_election_master_status{name='other.example.com',namespace='else',pod='x'}": "0",
    "controller_runtime_reconcile_panics_total{controller='other',namespace='else',pod='x'}": "0+1x200",
}


class Case(NamedTuple):
    """A change of what is healthy, and the alert it is about: fires with `bad`, does not with `good`."""

    alert: str
    series: str
    bad: str
    good: str


def failing(reason: str, stalled: str = "False") -> str:
    return f"mcps_objects{{ready='False',stalled='{stalled}',reason='{reason}',POD}}"


def classes(accepted: str, reason: str) -> str:
    return f"mcps_classes{{accepted='{accepted}',reason='{reason}',POD}}"


def oldest(reason: str) -> str:
    return f"mcps_oldest_not_ready_seconds{{reason='{reason}',POD}}"


CASES = [
    Case("MCPOperatorGone", "mcps_build_info{version='1',POD}", "1x70 _x19", "1x87 _x2"),
    Case(
        "MCPOperatorNotLeading",
        "leader_election_master_status{name='b89ac0a6.bedrock.aws',POD}",
        "1x80 0x9",
        "1x86 0x3",
    ),
    Case("MCPOperatorCannotWrite", "mcps_fence_shut_seconds{POD}", "0x80 30+60x8", "0x86 30+60x2"),
    Case("MCPOperatorCredentials", "mcps_aws_credentials_valid{POD}", "1x80 0x9", "1x86 0x3"),
    Case(
        "MCPOperatorCredentialsNotRenewed",
        "mcps_aws_credentials_expiry_timestamp_seconds{POD}",
        "5500",
        "9000",
    ),
    Case("MCPGatewayNotListed", "mcps_gateway_healthy{gateway='g',POD}", "1x70 0x19", "1x82 0x7"),
    Case("MCPGatewaysUnreadable", "mcps_classes_known{POD}", "1x70 0x19", "1x82 0x7"),
    Case("MCPGatewayNotAccepted", classes("False", "Conflict"), "0x60 1x29", "0x80 1x9"),
    Case("MCPGatewayNotAccepted", classes("Unknown", "IdentityUnknown"), "0x60 1x29", "0x80 1x9"),
    Case("MCPGatewayNotReady", classes("True", "NotReady"), "0x50 1x39", "0x65 1x24"),
    Case("MCPGatewayNotReady", classes("True", "RoleRefused"), "0x50 1x39", "0x65 1x24"),
    Case("MCPGatewayNotReady", classes("True", "AWSUnavailable"), "0x50 1x39", "0x65 1x24"),
    Case("MCPServersFrozenTogether", "mcps_class_objects{state='frozen',POD}", "0x60 30x29", "0x60 22x29"),
    Case("MCPServersFailTogether", failing("TargetFailed"), "0x60 30x29", "0x60 22x29"),
    Case("MCPServersFailTogether", failing("CreationError"), "0x60 30x29", "0x80 30x9"),
    Case("MCPServersStuck", oldest("Deleting"), "600+60x89", "0+10x89"),
    Case("MCPServersStuck", oldest("Unseen"), "600+60x89", "0+10x89"),
    Case("MCPServersWaitForPlatform", oldest("AccessDenied"), "600+60x89", "0+5x89"),
    Case("MCPServersWaitForPlatform", oldest("GatewayFull"), "600+60x89", "0+5x89"),
    Case(
        "MCPOperatorBeyondQuota",
        "mcps_aws_queue_age_seconds{lane='interactive',POD}",
        "0+60x89",
        "0x60 0+20x28",
    ),
    Case(
        "MCPOperatorBeyondQuota",
        "mcps_aws_requests_total{operation='CreateGatewayTarget',code='ThrottlingException',POD}",
        "0+60x89",
        "0+3x89",
    ),
    Case("MCPTargetsFoughtOver", "mcps_fought_over_objects{POD}", "0x60 1x29", "0x80 1x9"),
    Case("MCPGatewayAlmostFull", "mcps_gateway_targets{gateway='g',POD}", "91", "90"),
    Case("MCPOperatorBesideAnother", "mcps_guard_leases{state='other',POD}", "0x60 1x29", "0x80 1x9"),
    Case("MCPOperatorOlderCRD", "mcps_unserved_fields{POD}", "2", "0x80 2x9"),
    Case(
        "MCPOperatorBug",
        "controller_runtime_reconcile_panics_total{controller='mcpserver',POD}",
        "0x80 1x9",
        "5",
    ),
    Case("MCPTargetsOrphaned", "mcps_orphaned_targets{gateway='g',POD}", "3", "0x40 3x49"),
]


def story(name: str, changes: dict[str, str], minutes: int = 90) -> Story:
    """Return a story of what is healthy, with these series changed; a single value is held throughout."""
    values = {**HEALTHY, **changes}
    written = {
        series.replace("'", '"').replace("POD", POD): [text if "x" in text else f"{text}x{minutes - 1}"]
        for series, text in values.items()
    }
    return Story(name, written, minutes)


def test_each_alert_fires_and_no_other(tmp_path: Path) -> None:
    """Each case is an installation of its own, seen by one Prometheus."""
    told = Story("every case", minutes=90)
    fires = []
    for number, case in enumerate(each for each in CASES if each.alert != "MCPOperatorGone"):
        for namespace, text in (f"bad-{number}", case.bad), (f"good-{number}", case.good):
            told.series |= {
                series.replace('namespace="ops"', f'namespace="{namespace}"'): values
                for series, values in story("", {case.series: text}).series.items()
            }
        fires.append((f'{{namespace="bad-{number}",alertname="{case.alert}"}}', 1.0))
    told.answers['count by (namespace, alertname) (ALERTS{alertstate="firing"})'] = fires
    gone = [each for each in CASES if each.alert == "MCPOperatorGone"]
    stories = [told]
    for case in gone:
        bad, good = (story(case.alert, {case.series: text}) for text in (case.bad, case.good))
        bad.fires(case.alert)
        good.fires()
        stories += [bad, good]
    run_stories(tmp_path, RULE, stories)
    assert {case.alert for case in CASES} == set(ALERTS)


def test_the_charts_alerts_are_the_same_with_one_more_matcher() -> None:
    for ours, charts in zip(ALERTS.values(), OF_CHART["spec"]["groups"][0]["rules"], strict=True):
        without = re.sub(
            r'\{namespace="ops",?(.*?)\}', lambda rest: f"{{{rest[1]}}}" if rest[1] else "", charts["expr"]
        )
        assert without == ours["expr"]
        assert {**charts, "expr": ""} == {**ours, "expr": ""}
        names = re.findall(r"\b(?:mcps|leader|controller_runtime)_\w+", ours["expr"])
        assert charts["expr"].count('{namespace="ops"') == len(names)


def test_what_tenants_do_wakes_nobody(tmp_path: Path) -> None:
    """One's typo, a pause, Observe, a consent that nobody gives, for days: in no alert at all."""
    quiet = [reason for reason, actor in ACTS.items() if actor in (Actor.TENANT, Actor.CHOICE)]
    changes = {oldest(reason): "600+60x89" for reason in quiet}
    changes |= {failing(reason, "True"): "40" for reason in quiet}
    changes |= {failing("CreationError", "True"): "40", failing("TargetFailed"): "9"}
    changes |= {"mcps_gateway_healthy{gateway='misspelt',POD}": "0"}
    changes |= {
        "mcps_class_objects{state='refused',POD}": "40",
        "mcps_class_objects{state='frozen',POD}": "9",
    }
    changes |= {classes("True", "Deleting"): "1"}
    changes |= {"mcps_gateway_objects{gateway='misspelt',POD}": "0"}
    told = story("tenants", changes)
    told.fires()
    run_stories(tmp_path, RULE, [told])


def test_a_cause_is_told_once(tmp_path: Path) -> None:
    """What follows from credentials, from a gateway or from the quota does not fire beside it."""
    stuck = {oldest(reason): "0+60x89" for reason in ("Creating", "AWSUnavailable", "Queued")}
    unlisted = {"mcps_gateway_healthy{gateway='g',POD}": "0"}
    away = {classes("True", "AWSUnavailable"): "1", classes("Unknown", "IdentityUnknown"): "1"}
    credentials = story("credentials", stuck | unlisted | away | {"mcps_aws_credentials_valid{POD}": "0"})
    credentials.fires("MCPOperatorCredentials")
    gateway = story("gateway", stuck | unlisted)
    gateway.fires("MCPGatewayNotListed")
    quota = story("quota", stuck | {"mcps_aws_queue_age_seconds{lane='interactive',POD}": "0+60x89"})
    quota.fires("MCPOperatorBeyondQuota")
    frozen = {
        "mcps_class_objects{state='frozen',POD}": "90",
        "mcps_class_objects{state='permitted',POD}": "0",
    }
    conflict = story("conflict", frozen | {classes("False", "Conflict"): "1"})
    conflict.fires("MCPGatewayNotAccepted")
    unseen = {"mcps_classes_known{POD}": "0", classes("Unknown", "IdentityUnknown"): "1"}
    blind = story("MCPGatewaysUnreadable", frozen | unseen)
    blind.fires("MCPGatewaysUnreadable")
    gone = {classes("True", "AWSUnavailable"): "1"}
    told = story("a gateway that an MCPGateway names", stuck | unlisted | gone)
    told.fires("MCPGatewayNotListed")
    run_stories(tmp_path, RULE, [credentials, gateway, quota, conflict, blind, told])


def test_of_three_hundred_in_a_thousand_that_are_not_ready_one_alert_tells(tmp_path: Path) -> None:
    """Which one goes by who can help: nobody is told of what tenants alone can mend."""
    stories = []
    for reason, alerts in {
        "TargetFailed": ("MCPServersFailTogether",),
        "AccessDenied": ("MCPServersWaitForPlatform",),
        "AWSUnavailable": ("MCPServersStuck",),
        "ValidationError": (),
    }.items():
        ready = "mcps_objects{ready='True',stalled='False',reason='GatewayTargetReady',POD}"
        changes = {ready: "700", failing(reason): "300", oldest(reason): "0+60x89"}
        stories.append(story(reason, changes))
        stories[-1].fires(*alerts)
    run_stories(tmp_path, RULE, stories)


def test_two_installations_are_told_apart(tmp_path: Path) -> None:
    told = story(
        "one without a leader",
        {
            "leader_election_master_status{name='b89ac0a6.bedrock.aws',namespace='second',pod='x'}": "0",
            "leader_election_master_status{name='b89ac0a6.bedrock.aws',namespace='ops',pod='standby'}": "0",
        },
    )
    labels = 'alertname="MCPOperatorNotLeading",alertstate="firing",namespace="second",severity="critical"'
    told.answers['ALERTS{alertstate="firing"}'] = [(f'{{__name__="ALERTS",{labels}}}', 1)]
    run_stories(tmp_path, RULE, [told])


def test_the_charts_alerts_look_at_its_own_release(tmp_path: Path) -> None:
    """Another installation goes on, and hides nothing of what befell this one."""
    gone = story("one of two is gone", {"mcps_build_info{version='1',POD}": "1x60 _x29"})
    gone.series['mcps_build_info{version="1",namespace="second",pod="x"}'] = ["1x89"]
    gone.fires("MCPOperatorGone")
    other = story("the other has no leader", {})
    leader = 'leader_election_master_status{name="b89ac0a6.bedrock.aws",namespace="second",pod="x"}'
    other.series[leader] = ["0x89"]
    other.fires()
    run_stories(tmp_path, OF_CHART, [gone, other])


def test_promtool_finds_nothing_to_say_of_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups_of(RULE)))
    run_promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    assert alert["annotations"]["summary"].endswith(".")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert anchor == alert["alert"].lower()
    assert f"\n### {alert['alert']}\n" in (ROOT / page).read_text()


def test_rules_name_metrics_and_reasons_that_exist() -> None:
    declared = {metric.name: metric for metric in (*DECLARED, *OF_CONTROLLERS)}
    for alert in ALERTS.values():
        for name in re.findall(r"\b(?:mcps|leader|controller_runtime)_\w+", alert["expr"]):
            assert name in declared, alert["alert"]


def test_every_reason_is_in_an_alert_or_needs_none() -> None:
    """Of what the platform team can help, and of what should pass, none is left out."""

    def reasons_of(alert: str) -> set[str]:
        return set(re.findall(r"\w+", re.findall(r'reason=~"([^"]+)"', ALERTS[alert]["expr"])[0]))

    platform = {reason for reason, actor in ACTS.items() if actor is Actor.PLATFORM}
    passing = {reason for reason, actor in ACTS.items() if actor is Actor.NOBODY}
    server = {reason for reason, actor in ACTS.items() if actor is Actor.SERVER}
    assert reasons_of("MCPServersWaitForPlatform") == platform
    # A call that is throttled is in the alert about quotas.
    assert reasons_of("MCPServersStuck") == passing - {"Throttled"}
    assert reasons_of("MCPServersFailTogether") == server
