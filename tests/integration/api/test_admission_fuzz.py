"""Specs drawn at random: the admission policy and the operator say the same to each, in the same words.

`make fuzz` draws ten thousand.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from typing import Any

from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.mcpgateway import Allow, LabelExpression, LabelSelector, MCPGatewaySpec
from mcp_gateway_operator.api.mcpgateway_codec import decode_gateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.schema import check, describe
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.permit import Use, refusal
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.api.policy import apply, mcpgateway, policy, refusals, server, until_refused

SPECS = int(os.environ.get("FUZZ_SPECS", "200"))
SEED = os.environ.get("FUZZ_SEED", "admission")
SPEC = describe(MCPServer).properties["spec"]
CLASSES = 25
PLACE = "arn:aws:bedrock-agentcore:eu-west-1:222222222222"
NAMESPACES: dict[str, dict[str, str]] = {
    "fuzz": {},
    "fuzz-a": {"team": "a", "tier": ""},
    "fuzz-a-b": {"team": "b"},
}
AUTH = ["OAuth2", "OAuth2", "ApiKey", "NoAuth", "GatewayIamRole"]
GRANTS = ["CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE"]
HOSTS = [
    *("a.example.com", "x.a.example.com", "x.y.a.example.com", "xa.example.com", "example.com", "localhost"),
    *("192.0.2.7", "1.192.0.2.7", "0x7f.1", "x.12", "x.0xa", "A.example.com"),
    *("a.example.com.evil.example.com", f"{'x' * 63}.a.example.com", f"{'x.' * 120}a.example.com"),
]
ENTRY_HOSTS = ["a.example.com", "*.a.example.com", "*.example.com", "192.0.2.7", "*.2.7", "*.12", "localhost"]
PORTS = ["", "", ":443", ":8443", ":1"]
SEGMENTS = [
    *("/", "/team", "/team-a", "/Team-a", "/x", "x", "//", "/..", "/.", "..", ".", ";", "/;x", "/..;x"),
    *("%2F", "%2f", "%25", "%252F", "%2e", "%2E", "%20", "%3B", "%3b", "%5C", "%3F", "%23", "%00", "%7f"),
    *("%80", "%c0%af", "%7E", "%41", "%", "%2", "%zz", "'", "!", "@", ":", "~", "+", "?q", "?/../x"),
]
ENTRY_PATHS = ["", "", "/", "/team", "/team-a", "/team/", "/team%2Fx", "/team/..", "/x//", "/team;x", "/%25"]
PROVIDERS = ["shared", "sharedx", "share", "common-1", "x", "{ns}_idp", "{ns}", "{ns}-idp", "fuzz-a_idp"]
ENTRY_PROVIDERS = ["*", "shared", "share*", "common-*", "${namespace}", "${namespace}_*", "${namespace}_idp"]
KEYS = ["kubernetes.io/metadata.name", "team", "tier", "absent"]
VALUES = ["a", "b", "", *NAMESPACES]


def _some(chance: random.Random, values: list[str], most: int) -> tuple[str, ...]:
    return tuple(chance.choices(values, k=chance.randint(0, most)))


def _selector(chance: random.Random) -> LabelSelector | None:
    if chance.random() < 0.1:
        return None
    labels = {chance.choice(KEYS): chance.choice(VALUES) for _ in range(chance.choice([0, 0, 0, 1]))}
    expressions = []
    for _ in range(chance.choice([0, 0, 1, 2])):
        operator = chance.choice(["In", "NotIn", "Exists", "DoesNotExist"])
        values = tuple(chance.choices(VALUES, k=3)) if "In" in operator else ()
        expressions.append(LabelExpression(key=chance.choice(KEYS), operator=operator, values=values))
    return LabelSelector(match_labels=labels, match_expressions=tuple(expressions))


def _entry(chance: random.Random) -> Allow:
    endpoints = [
        "*"
        if chance.random() < 0.1
        else f"https://{chance.choice(ENTRY_HOSTS)}{chance.choice(PORTS)}{chance.choice(ENTRY_PATHS)}"
        for _ in range(chance.randint(0, 6))
    ]
    return Allow(
        namespaces=LabelSelector() if chance.random() < 0.5 else _selector(chance),
        auth_types=("*",) if chance.random() < 0.5 else _some(chance, list(AUTH), 4),
        grant_types=("*",) if chance.random() < 0.5 else _some(chance, GRANTS, 3),
        endpoints=tuple(endpoints),
        providers=_some(chance, ENTRY_PROVIDERS, 4),
    )


def _classes(chance: random.Random) -> dict[str, dict[str, Any]]:
    return {
        f"fuzz-{number}": mcpgateway(
            f"fuzz-{number}",
            MCPGatewaySpec(
                gateway_arn=f"{PLACE}:gateway/fuzz-{number:010}",
                allow=tuple(_entry(chance) for _ in range(chance.randint(1, 6))),
            ),
        )
        for number in range(CLASSES)
    }


def _provider(chance: random.Random, namespace: str, kind: str) -> str:
    name = chance.choice(PROVIDERS).format(ns=namespace)
    arn = f"{PLACE}:token-vault/default/{kind}/{name}"
    if chance.random() < 0.9:
        return arn
    old, new = chance.choice(
        [
            *(("222222222222", "333333333333"), ("eu-west-1", "us-east-1"), ("arn:aws:", "arn:aws-cn:")),
            *(("/default/", "/other/"), ("bedrock-agentcore", "acps")),
        ]
    )
    return arn.replace(old, new)


def _endpoint(chance: random.Random, allow: list[dict[str, Any]]) -> str:
    """Return an endpoint near what some entry permits, or any."""
    near: list[str] = [each for entry in allow for each in entry.get("endpoints", ()) if each != "*"]
    if near and chance.random() < 0.7:
        rest = chance.choices(SEGMENTS, k=chance.choice([0, 0, 1, 2]))
        return chance.choice(near).replace("*", chance.choice(["x", "x.y", "0x1"])) + "".join(rest)
    host, port = chance.choice(HOSTS), chance.choice(PORTS)
    begin, rest = chance.choice(["", *SEGMENTS[:5]]), chance.choices(SEGMENTS, k=chance.choice([0, 1, 2, 4]))
    return f"https://{host}{port}{begin}{''.join(rest)}"


def _spec(chance: random.Random, namespace: str, classes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a spec whose parts fit together, most of the time."""
    auth, ref = chance.choice(AUTH), chance.choice(list(classes))
    spec: dict[str, Any] = {
        "gatewayRef": {"name": ref},
        "endpoint": _endpoint(chance, classes[ref]["spec"]["allow"]),
        "capabilities": ["tools"],
        "authType": auth,
    }
    if auth == "OAuth2":
        spec["oauthProviderArn"] = _provider(chance, namespace, "oauth2credentialprovider")
        spec["oauthGrantType"] = chance.choice(["", "CLIENT_CREDENTIALS", "TOKEN_EXCHANGE"])
        if chance.random() < 0.3:
            del spec["authType"]
    if auth == "ApiKey":
        spec["apiKey"] = {"providerArn": _provider(chance, namespace, "apikeycredentialprovider")}
    if auth == "GatewayIamRole":
        spec["iam"] = {"service": "lambda", "region": chance.choice(["", "eu-west-1", "us-east-1"])}
    for denied in (
        {"adoptionPolicy": "IfExists"},
        {"mcpToolSchema": {"s3": {"uri": "s3://bucket/t"}}},
        {"certificateConfigurations": [{"s3": {"uri": "s3://bucket/ca.pem"}}]},
        {"oauthCustomParameters": {"audience": "x"}} if auth == "OAuth2" else {},
        {"adoptionPolicy": "Never", "certificateConfigurations": [], "mcpToolSchema": {"inline": ""}},
    ):
        if chance.random() < 0.03:
            spec |= denied
    return spec


def _operator_says(given: dict[str, Any], classes: dict[str, dict[str, Any]]) -> str:
    """Return the operator's refusal, "" where it permits, from JSON as the API server sends it."""
    name, namespace = given["spec"]["gatewayRef"]["name"], given["metadata"]["namespace"]
    decoded = decode_gateway(json.dumps(classes[name]).encode())
    gateway = GatewayArn.parse(decoded.spec.gateway_arn)
    assert not decoded.problems
    assert gateway is not None
    labels = {"kubernetes.io/metadata.name": namespace, **NAMESPACES[namespace]}
    spec = decode(json.dumps(given).encode()).spec
    why = refusal(decoded.spec, Use(namespace=namespace, labels=labels, spec=spec, gateway=gateway))
    return why.words(name) if why is not None else ""


def test_both_say_the_same_to_every_spec(cluster: LocalCluster) -> None:
    chance = random.Random(SEED)  # noqa: S311  -- the same specs in every run
    classes = _classes(chance)
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in NAMESPACES.items()
    ]
    apply(cluster, [*spaces, *classes.values(), *policy("fuzz", list(NAMESPACES))])
    spec = {"endpoint": "https://a.example.com", "capabilities": ["tools"], "authType": "NoAuth"}
    for name in classes:
        denied = {**spec, "adoptionPolicy": "IfExists", "gatewayRef": {"name": name}}
        until_refused(cluster, server("begin", "fuzz", denied))
    given: list[dict[str, Any]] = []
    while len(given) < SPECS:
        namespace = chance.choice(list(NAMESPACES))
        drawn = _spec(chance, namespace, classes)
        # What the CRD refuses never comes before the policy.
        if not list(check(drawn, SPEC, "spec")):
            given.append(server(f"case-{len(given)}", namespace, drawn))

    said = refusals(cluster, given)

    counts: Counter[str] = Counter()
    differ = []
    for each, by_policy in zip(given, said, strict=True):
        by_operator = _operator_says(each, classes)
        counts["refused" if by_operator else "permitted"] += 1
        if by_policy != by_operator:
            differ.append((each, by_policy, by_operator))
    assert differ == []
    assert min(counts["refused"], counts["permitted"]) > SPECS / 30, counts
    sys.stdout.write(f"{SPECS} specs, {len(classes)} MCPGateways: {dict(counts)}\n")
