"""Every flag of `run`, on the command line and in the environment, and what wrong ones are told."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_operator.agentcore.quota import Quotas
from mcp_gateway_operator.cli.startup import StartupError, region_of
from tests.unit.cli.conftest import CallRun

GATEWAY = "my-gateway-abcde12345"
VALUES: list[tuple[str, str, Any]] = [
    ("gateway-id", GATEWAY, GATEWAY),
    ("gateway-id", f"  {GATEWAY} ", GATEWAY),
    ("aws-region", "eu-west-1", "eu-west-1"),
    ("metrics-bind-address", ":8443", ":8443"),
    ("metrics-cert-path", "/certs", "/certs"),
    ("metrics-cert-name", "server.crt", "server.crt"),
    ("metrics-cert-key", "server.key", "server.key"),
    ("webhook-cert-path", "/webhook", "/webhook"),
    ("webhook-cert-name", "w.crt", "w.crt"),
    ("webhook-cert-key", "w.key", "w.key"),
    ("health-probe-bind-address", "127.0.0.1:9000", "127.0.0.1:9000"),
    ("health-probe-bind-address", "[::1]:9000", "[::1]:9000"),
    ("health-probe-bind-address", "0", "0"),
    ("zap-log-level", "debug", "debug"),
    ("zap-log-level", "5", "5"),
    ("zap-encoder", "console", "console"),
    ("zap-stacktrace-level", "panic", "panic"),
    ("zap-time-encoding", "iso8601", "iso8601"),
    ("aws-quotas", "default", Quotas()),
    ("aws-quotas", "unlimited", Quotas.parse("unlimited")),
    ("aws-quotas", "create=2,gateway-writes=3", Quotas.parse("create=2,gateway-writes=3")),
    ("aws-quotas", "gateway-targets=300", Quotas.parse("gateway-targets=300")),
    ("drift-interval", "90s", 90.0),
    ("drift-interval", "1m30s", 90.0),
    ("sweep-interval", "12h", 43200.0),
    ("leader-elect-lease-duration", "2m", 120.0),
    ("leader-elect-renew-deadline", "50s", 50.0),
    ("leader-elect-retry-period", "1.5s", 1.5),
    ("leader-election-namespace", "kube-public", "kube-public"),
    ("owner-id", "prod,old-prod", ("prod", "old-prod")),
    (
        "owner-id",
        "arn:aws:eks:us-east-1:123456789012:cluster/prod, our cluster,prod,prod",
        ("arn:aws:eks:us-east-1:123456789012:cluster/prod", "our cluster", "prod"),
    ),
    ("default-deletion-policy", "Retain", "Retain"),
    ("watch-namespaces", "a, b,,c", ("a", "b", "c")),
    ("kubeconfig", "/k/config", "/k/config"),
    ("context", "prod", "prod"),
    ("log-rate", "50:200", "50:200"),
]
SWITCHES = {
    "leader-elect": False,
    "metrics-secure": True,
    "enable-http2": False,
    "zap-devel": False,
    "owner-marker": True,
    "allow-adoption": False,
}
WRONG: list[tuple[str, str]] = [
    (
        "--gateway-id=arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/my-gateway-abcde12345",
        "is an ARN: write the gateway's id, my-gateway-abcde12345",
    ),
    (
        "--gateway-id=arn:aws:iam::123456789012:role/gateway",
        "is an ARN: write the gateway's id, which is its",
    ),
    ("--gateway-id=my gateway", "write the gateway's id, which is its name in lower case, a dash and ten"),
    ("--gateway-id=my-gateway", "for example tools-abcdefghij"),
    ("--gateway-id=MY-GATEWAY-ABCDE12345", "is in capitals: write the gateway's id, my-gateway-abcde12345"),
    (
        "--gateway-id=https://my-gateway-abcde12345.gateway.bedrock-agentcore.us-east-1.amazonaws.com/mcp",
        "is an address: write the gateway's id, my-gateway-abcde12345",
    ),
    ("--gateway-id=gateway/my-gateway-abcde12345", "write the gateway's id, my-gateway-abcde12345"),
    ("--gateway-id=$(GATEWAY_ID)", "'$(GATEWAY_ID)' is not the id of a gateway"),
    ("--owner-id=prod,$(CLUSTER_NAME)", "'$(CLUSTER_NAME)' is not the name of an installation: write"),
    ("--owner-id=<cluster>", "for example the cluster's name, prod-eu"),
    ("--owner-id={{ .Values.cluster }}", "without brackets"),
    ("--owner-id=[mcps abcdef/abcdefghijkl]", "is not the name of an installation"),
    (f"--owner-id={'a' * 254}", "at most 253 characters"),
    ("--log-rate=fast", "100:1000"),
    ("--drift-interval=60", "60"),
    ("--drift-interval=soon", "soon"),
    ("--drift-interval=0s", "not above zero"),
    ("--drift-interval=-5s", "-5s"),
    ("--sweep-interval=", "sweep-interval"),
    ("--aws-quotas=create", "create"),
    ("--aws-quotas=creates=5", "creates"),
    ("--aws-quotas=create=fast", "fast"),
    ("--aws-quotas=create=-1", "-1"),
    ("--aws-quotas=create=0", "create=0"),
    ("--aws-quotas=delete=nan", "delete=nan"),
    ("--aws-quotas=create=5,gateway-writes=0", "gateway-writes=0"),
    ("--aws-quotas=update=0.0001", "less than one call an hour"),
    ("--watch-namespaces=team-a,Team_B", "'Team_B' is not the name of a namespace: write for example team-b"),
    ("--watch-namespaces=*", "'*' is not the name of a namespace: leave it out for all namespaces"),
    ("--watch-namespaces=team-a team-b", "write several names with commas between them: team-a,team-b"),
    ("--leader-election-namespace=kube-system/x", "is not the name of a namespace"),
    ("--health-probe-bind-address=8081", "is not an address to listen on"),
    ("--health-probe-bind-address=:99999", "is not an address to listen on"),
    ("--metrics-bind-address=here", "is not an address to listen on"),
    ("--leader-elect-lease-duration=30s", "The lease times must grow"),
    ("--leader-elect-retry-period=40s", "The lease times must grow"),
    ("--leader-elect-renew-deadline=60s", "The lease times must grow"),
    ("--leader-elect-retry-period=50s", "The lease times must grow"),
    ("--leader-elect-retry-period=0s", "not above zero"),
    ("--leader-elect-renew-deadline=-40s", "-40s"),
    ("--leader-elect-lease-duration=600000h", "--leader-elect-lease-duration to 2147483647s at most"),
    ("--leader-elect=perhaps", "perhaps"),
    ("--default-deletion-policy=Forget", "Forget"),
    ("--zap-log-level=loud", "loud"),
    ("--zap-stacktrace-level=loud", "loud"),
    ("--zap-encoder=xml", "xml"),
    ("--zap-time-encoding=sundial", "sundial"),
    ("--gatewayid=x", "No such option"),
    ("--leader-elect-lease=60s", "No such option"),
    ("extra", "unexpected extra argument"),
]


def _field(flag: str) -> str:
    return flag.replace("-", "_")


@pytest.mark.parametrize(("flag", "text", "value"), VALUES)
@pytest.mark.parametrize("style", ["--flag=value", "--flag value", "environment"])
def test_every_flag_is_read(call_run: CallRun, flag: str, text: str, value: object, style: str) -> None:
    variable = f"MCPS_{_field(flag).upper()}"
    outcome = {
        "--flag=value": lambda: call_run(f"--{flag}={text}"),
        "--flag value": lambda: call_run(f"--{flag}", text),
        "environment": lambda: call_run(env={variable: text}),
    }[style]()
    assert getattr(outcome.parsed, _field(flag)) == value


@pytest.mark.parametrize("flag", SWITCHES)
def test_every_boolean_is_read_as_go_reads_it(call_run: CallRun, flag: str) -> None:
    read = {
        "": SWITCHES[flag],
        f"--{flag}": True,
        f"--{flag}=true": True,
        f"--{flag}=false": False,
        f"--{flag}=1": True,
        f"--{flag}=0": False,
        f"--{flag}=True": True,
    }
    for argument, expected in read.items():
        outcome = call_run(*filter(None, [argument]))
        assert getattr(outcome.parsed, _field(flag)) is expected, argument
    variable = f"MCPS_{_field(flag).upper()}"
    for text, expected in {"true": True, "false": False}.items():
        assert getattr(call_run(env={variable: text}).parsed, _field(flag)) is expected, text


def test_a_boolean_does_not_swallow_the_next_flag(call_run: CallRun) -> None:
    options = call_run(
        "--leader-elect", f"--gateway-id={GATEWAY}", "--allow-adoption", "--drift-interval=5s"
    ).parsed
    assert options.leader_elect
    assert options.allow_adoption
    assert options.gateway_id == GATEWAY


def test_the_go_operators_variables_still_count(call_run: CallRun) -> None:
    options = call_run(env={"GATEWAY_ID": GATEWAY, "AWS_REGION": "eu-west-1"}).parsed
    assert (options.gateway_id, options.aws_region) == (GATEWAY, "eu-west-1")


def test_a_flag_beats_a_variable_and_ours_beats_the_go_operators(call_run: CallRun) -> None:
    env = {"GATEWAY_ID": "oldest-0123456789", "MCPS_GATEWAY_ID": "newer-0123456789"}
    assert call_run(env=env).parsed.gateway_id == "newer-0123456789"
    assert call_run(f"--gateway-id={GATEWAY}", env=env).parsed.gateway_id == GATEWAY


def test_empty_values_mean_absent(call_run: CallRun) -> None:
    """The chart renders `--gateway-id=` when its value is empty."""
    options = call_run("--gateway-id=", "--aws-region=", "--watch-namespaces=", "--owner-id=").parsed
    assert options.gateway_id == ""
    assert options.aws_region == ""
    assert options.watch_namespaces == ()
    assert options.owner_id == ()


def test_the_defaults_are_the_documented_ones(call_run: CallRun) -> None:
    options = call_run().parsed
    assert (options.drift_interval, options.sweep_interval) == (60.0, 21600.0)
    assert (
        options.leader_elect_lease_duration,
        options.leader_elect_renew_deadline,
        options.leader_elect_retry_period,
    ) == (60.0, 40.0, 5.0)
    assert options.health_probe_bind_address == ":8081"
    assert options.metrics_bind_address == "0"
    assert (options.metrics_cert_name, options.metrics_cert_key) == ("tls.crt", "tls.key")
    assert options.default_deletion_policy == "Delete"
    assert options.aws_quotas == Quotas()


@pytest.mark.parametrize(("argument", "words"), WRONG)
def test_a_wrong_flag_is_a_usage_error_that_names_it(call_run: CallRun, argument: str, words: str) -> None:
    outcome = call_run(argument)
    assert outcome.options is None
    assert outcome.result.exit_code == 2
    assert words in outcome.result.stderr
    assert "--help" in outcome.result.stderr
    assert outcome.result.stdout == ""


TIMES = ("lease-duration", "renew-deadline", "retry-period")


@pytest.mark.parametrize(
    ("times", "bound"),
    [
        ("60s 40s 5s", 15.0),
        ("15s 10s 2s", 10.0),
        ("137s 107s 26s", 15.0),
        ("23s 10s 5s", 15.0),
        ("22s 10s 5s", 14.0),
        ("10s 5s 2s", 5.0),
    ],
)
@pytest.mark.parametrize("leader_elect", [True, False])
def test_a_call_is_as_long_as_the_lease_allows(
    call_run: CallRun, times: str, bound: float, *, leader_elect: bool
) -> None:
    flags = [f"--leader-elect-{name}={each}" for name, each in zip(TIMES, times.split(), strict=True)]
    assert call_run(f"--leader-elect={leader_elect}", *flags).parsed.call_seconds == bound


@pytest.mark.parametrize(
    ("times", "enough"),
    [("9s 5s 2s", "10s"), ("9.9s 5s 2s", "10s"), ("30s 28s 26s", "34s"), ("3s 2s 1s", "9s")],
)
@pytest.mark.parametrize("leader_elect", [True, False])
@pytest.mark.parametrize("style", ["flags", "environment"])
def test_a_lease_too_short_for_any_call_is_refused_with_what_to_set(
    call_run: CallRun, times: str, enough: str, style: str, *, leader_elect: bool
) -> None:
    given = dict(zip(TIMES, times.split(), strict=True))
    if style == "flags":
        flags = [f"--leader-elect-{name}={each}" for name, each in given.items()]
        outcome = call_run(f"--leader-elect={leader_elect}", *flags)
    else:
        env = {f"MCPS_LEADER_ELECT_{_field(name).upper()}": each for name, each in given.items()}
        outcome = call_run(env={"MCPS_LEADER_ELECT": str(leader_elect), **env})
    assert outcome.options is None
    assert outcome.result.exit_code == 2
    words = " ".join(outcome.result.stderr.split())
    assert "nothing could ever be written" in words
    assert f"set --leader-elect-lease-duration to {enough} or more" in words


def test_a_wrong_variable_is_named(call_run: CallRun) -> None:
    outcome = call_run(env={"MCPS_DRIFT_INTERVAL": "soon"})
    assert outcome.result.exit_code == 2
    assert "MCPS_DRIFT_INTERVAL" in outcome.result.stderr


def test_the_help_shows_every_flag_with_its_default(call_run: CallRun) -> None:
    text = call_run("--help").result.output
    for flag in [*dict.fromkeys(flag for flag, _, _ in VALUES), *SWITCHES]:
        assert f"--{flag}" in text
    assert "60s" in text
    assert "MCPS_DRIFT_INTERVAL" in text


@pytest.mark.parametrize("region", ["us east 1", "us-east-1a", "US East (N. Virginia)", "*"])
def test_a_region_that_cannot_be_one_is_refused(region: str) -> None:
    with pytest.raises(StartupError, match="us-east-1") as error:
        region_of(region)
    assert repr(region) in str(error.value)
