"""The admission policy on a real API server: it says what the operator says, and stands in nobody's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mcp_gateway_operator.api.mcpgateway import LabelSelector
from mcp_gateway_operator.targets.permit.fields import SPEC_FIELDS, Treatment
from mcp_gateway_operator_demo.localcluster import ClusterRequestError, LocalCluster
from tests.integration.api.objects import create, get, patch, path
from tests.integration.api.policy import CRD, SOON, apply, mcpgateway, policy, refusals, server, until_refused
from tests.support.polling import until
from tests.unit.targets.permits import ALLOW, IDP, PERMITTED, PLAIN, POLICY, REFUSED, ask

TEAM = LabelSelector(match_labels={"team": "a"})
EVERYBODY = msgspec.structs.replace(ALLOW, namespaces=LabelSelector(), providers=("*",))
Policy = dict[str, Any]


def case(namespace: str, ref: str, written: dict[str, Any], name: str = "case") -> dict[str, Any]:
    """Return an MCPServer that names an MCPGateway."""
    return server(name, namespace, {"gatewayRef": {"name": ref}, **PLAIN, **written})


def test_the_policy_says_what_the_operator_says_in_the_same_words(cluster: LocalCluster) -> None:
    cluster.create_namespace("team-a")
    apply(cluster, [mcpgateway("said", POLICY), *policy("said", ["team-a"])])
    until_refused(cluster, case("team-a", "said", {"adoptionPolicy": "IfExists"}))

    permitted = refusals(cluster, [case("team-a", "said", written) for written in PERMITTED.values()])
    refused = refusals(cluster, [case("team-a", "said", written) for _, written in REFUSED.values()])

    assert dict(zip(PERMITTED, permitted, strict=True)) == dict.fromkeys(PERMITTED, "")
    wrong = {}
    for (name, (_, written)), said in zip(REFUSED.items(), refused, strict=True):
        why = ask(written)
        assert why is not None
        if said not in {CRD, why.words("said")}:
            wrong[name] = said
    assert wrong == {}
    assert refused.count(CRD) < len(refused) / 2


# -- every rule is needed -------------------------------------------------------------------------------


def _variable(name: str, expression: str) -> Callable[[Policy], None]:
    def change(rules: Policy) -> None:
        (found,) = (each for each in rules["spec"]["variables"] if each["name"] == name)
        found["expression"] = expression

    return change


def _passing(name: str) -> Callable[[Policy], None]:
    """Let every entry pass one rule for entries."""

    def change(rules: Policy) -> None:
        (found,) = (each for each in rules["spec"]["variables"] if each["name"] == f"{name}Entries")
        found["expression"] = f"{found['expression'].partition('.filter(')[0]}.filter(a, true)"

    return change


def _permitting(path: str) -> Callable[[Policy], None]:
    """Take a field for one that may be used."""

    def change(rules: Policy) -> None:
        (found,) = (each for each in rules["spec"]["variables"] if each["name"] == "denied")
        assert f"['spec.{path}']" in found["expression"]
        found["expression"] = found["expression"].replace(f"['spec.{path}']", "[]")

    return change


def _without(words: str) -> Callable[[Policy], None]:
    """Leave out the rule that speaks so."""

    def change(rules: Policy) -> None:
        left = [each for each in rules["spec"]["validations"] if words not in each["messageExpression"]]
        assert len(left) == len(rules["spec"]["validations"]) - 1
        rules["spec"]["validations"] = left

    return change


def _refused(rule: str, word: str = "") -> list[dict[str, Any]]:
    return [written for each, written in REFUSED.values() if each == rule and word in json.dumps(written)]


CONSENT = {"oauthGrantType": "AUTHORIZATION_CODE"}
DENIED = [path for path, how in SPEC_FIELDS.items() if how is Treatment.DENIED]
MUTANTS: dict[str, tuple[Callable[[Policy], None], list[dict[str, Any]]]] = {
    **{
        f"denied-{path.lower()}": (
            _permitting(path),
            [written | (CONSENT if "Return" in path else {}) for written in _refused(path)],
        )
        for path in DENIED
    },
    "region": (_without("spec.iam.region must"), _refused("iam.region")),
    "place": (_without("the credential provider must"), _refused("providers", "333333333333")),
    "namespaces": (_passing("namespaces"), [{}]),
    "authtypes": (_passing("authTypes"), [{"authType": "NoAuth", "oauthProviderArn": ""}]),
    "granttypes": (_passing("grantTypes"), _refused("grantTypes", "TOKEN_EXCHANGE")),
    "endpoints": (_passing("endpoints"), _refused("endpoints", "192.0.2.8")),
    "providers": (_passing("providers"), _refused("providers", "team-b_idp")),
    "numeric": (_variable("numeric", "false"), _refused("endpoints", "192.0.2.8")),
    "plain-path": (_variable("plainPath", "true"), _refused("endpoints", "team-a//team-b")),
    "named": (_variable("plainAddress", "true"), [{"endpoint": "https://Orders.a.mcp.example.com"}]),
}


@pytest.fixture(scope="module")
def mutants(cluster: LocalCluster) -> None:
    """Give each mutant a namespace of its own, in one go: a new policy takes its time."""
    entry = msgspec.structs.replace(
        ALLOW,
        namespaces=TEAM,
        auth_types=("OAuth2", "ApiKey", "GatewayIamRole"),
        grant_types=("CLIENT_CREDENTIALS", "AUTHORIZATION_CODE"),
        providers=("team-a_*", "shared"),
    )
    anywhere = msgspec.structs.replace(entry, auth_types=("OAuth2",), endpoints=("*",))
    gateway = msgspec.structs.replace(POLICY, allow=(entry, anywhere))
    made: list[dict[str, Any]] = [mcpgateway("mutants", gateway)]
    for name, (change, _) in MUTANTS.items():
        labels = {} if name == "namespaces" else {"team": "a"}
        namespace = f"without-{name.replace('.', '-')}"
        made.append(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
        rules, binding = policy(namespace, [namespace])
        change(rules)
        made += [rules, binding]
    apply(cluster, made)


@pytest.mark.usefixtures("mutants")
@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_something_gets_through(cluster: LocalCluster, name: str) -> None:
    namespace, (_, through) = f"without-{name.replace('.', '-')}", MUTANTS[name]
    other = {"oauthGrantType": "TOKEN_EXCHANGE"} if name != "granttypes" else {"adoptionPolicy": "IfExists"}
    until_refused(cluster, case(namespace, "mutants", other))

    assert "" in refusals(cluster, [case(namespace, "mutants", written) for written in through])


# -- when it is asked -----------------------------------------------------------------------------------


def test_it_is_asked_of_what_is_written_anew_and_of_nothing_else(
    cluster: LocalCluster, namespace: str
) -> None:
    ref = f"revoked-{namespace}"
    open_, shut = (msgspec.structs.replace(POLICY, allow=allow) for allow in ((EVERYBODY,), ()))
    apply(cluster, [mcpgateway(ref, open_)])
    old = case(namespace, ref, {"adoptionPolicy": "IfExists"}, "old")
    old["metadata"]["finalizers"] = ["example.com/held"]
    create(cluster, json.dumps(old))
    apply(cluster, [mcpgateway(ref, shut), *policy(ref, [namespace])])
    until_refused(cluster, case(namespace, ref, {}))

    def edit(change: dict[str, Any], part: str = "") -> str:
        return patch(cluster, namespace, "old", change, part, check=False)

    # Nothing that a rule reads.
    assert edit({"metadata": {"labels": {"a": "b"}}}) == ""
    assert edit({"spec": {"description": "new", "oauthScopes": ["x"]}}) == ""
    assert edit({"status": {"targetId": "ABCDEFGHIJ"}}, "status") == ""
    # What each rule reads.
    for change, word in (
        ({"endpoint": "https://new.a.mcp.example.com"}, "names no namespace"),
        ({"oauthProviderArn": f"{IDP}2"}, "names no namespace"),
        (
            {"oauthProviderArn": IDP.replace("222222222222", "333333333333")},
            "the credential provider must be",
        ),
        ({"oauthGrantType": "TOKEN_EXCHANGE"}, "names no namespace"),
        ({"authType": "NoAuth", "oauthProviderArn": None}, "names no namespace"),
        ({"oauthCustomParameters": {"a": "b"}}, "spec.oauthCustomParameters cannot be used"),
    ):
        assert word in edit({"spec": change})
    # What was never permitted can be taken away, and another MCPGateway can be named.
    assert edit({"spec": {"adoptionPolicy": None}}) == ""
    assert edit({"spec": {"gatewayRef": {"name": "nobody"}}}) == ""
    assert "is forbidden" in edit({"spec": {"gatewayRef": {"name": ref}}})
    # What is being deleted is nobody's business any more.
    assert edit({"spec": {"gatewayRef": {"name": "nobody"}, "endpoint": "https://a.example.com"}}) == ""
    cluster.delete(path(namespace, "old"))
    assert edit({"spec": {"gatewayRef": {"name": ref}}}) == ""
    assert edit({"metadata": {"finalizers": None}}) == ""


@pytest.mark.parametrize(
    "broken", ["parameters of a kind that is not served", "a rule that cannot be evaluated"]
)
def test_a_broken_policy_keeps_nobody_from_working_or_deleting(
    cluster: LocalCluster, namespace: str, broken: str
) -> None:
    ref = f"broken-{namespace}"
    apply(cluster, [mcpgateway(ref, msgspec.structs.replace(POLICY, allow=()))])
    rules, binding = policy(ref, [namespace])
    apply(cluster, [rules, binding])
    until_refused(cluster, case(namespace, ref, {}))
    if "kind" in broken:
        rules["spec"]["paramKind"]["kind"] = "MCPGatewayOfLongAgo"
    else:
        for each in rules["spec"]["validations"]:
            each["expression"] = "object.spec.nowhere == 'x'"
    apply(cluster, [rules, binding])
    until(lambda: refusals(cluster, [case(namespace, ref, {})]) == [""], "the broken policy", SOON)

    create(cluster, json.dumps(case(namespace, ref, {}, "works")))
    patch(cluster, namespace, "works", {"metadata": {"finalizers": ["example.com/held"]}})
    patch(cluster, namespace, "works", {"spec": {"endpoint": "https://b.example.com"}})
    cluster.delete(path(namespace, "works"))
    assert get(cluster, namespace, "works")["metadata"]["deletionTimestamp"]
    patch(cluster, namespace, "works", {"metadata": {"finalizers": None}})
    with pytest.raises(ClusterRequestError, match="not found"):
        get(cluster, namespace, "works")
