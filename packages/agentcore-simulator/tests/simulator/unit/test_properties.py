"""Properties of the parts: nothing crashes the engine, no window exceeds a rate, pages lose nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentcore_simulator import AdminClient, Engine, Request, Settings
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.plane.service_quotas import Buckets

from .conftest import GATEWAY, server

SCOPE = "AWS4-HMAC-SHA256 Credential=k/20261122/us-east-1/bedrock-agentcore/aws4_request"

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12))
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["mcp", "mcpServer", "endpoint", "lambda", "http", "oauthCredentialProvider", "scopes", "x"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)
members = st.dictionaries(
    st.sampled_from(
        [
            "name",
            "description",
            "clientToken",
            "targetConfiguration",
            "credentialProviderConfigurations",
            "metadataConfiguration",
            "privateEndpoint",
            "certificateConfigurations",
            "targetIdList",
            "gatewayIdentifier",
            "targetId",
            "roleArn",
            "authorizerType",
            "tags",
        ]
    ),
    anything,
    max_size=6,
)
paths = st.sampled_from(
    [
        "/gateways/",
        f"/gateways/{GATEWAY}/",
        f"/gateways/{GATEWAY}/targets/",
        f"/gateways/{GATEWAY}/targets/AAAAAAAAAA/",
        f"/gateways/{GATEWAY}/synchronizeTargets",
        "/gateways/%20/targets",
        "/tags/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Agateway%2Fdemo-abcdefghij",
        "/identities/CompleteResourceTokenAuth",
        "/",
        "/v1/credentials",
        "/_sim/faults",
        "/_sim/scenarios",
        "/_sim/settings",
        "/_sim/situation",
        "/_sim/snapshot",
        "/_sim/writers",
        "/_sim/time",
        "/_sim/gateways",
        f"/_sim/gateways/{GATEWAY}/targets",
        "/_sim/targets/AAAAAAAAAA/status",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    path=paths,
    query=st.text(max_size=30),
    body=st.one_of(members.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)),
)
@example(method="POST", path="/", query="", body=b"Action=\xff")
def test_no_request_crashes_the_engine(method: str, path: str, query: str, body: bytes) -> None:
    engine = Engine(clock=lambda: 0.0)
    AdminClient.in_process(engine).create_gateway(GATEWAY)
    answer = engine.handle(Request(method, path, query, {"authorization": SCOPE}, body))
    assert answer.status < 500


@given(
    st.lists(st.floats(0.0, 0.6), min_size=1, max_size=120),
    st.integers(1, 12),
)
def test_no_window_exceeds_the_rate(gaps: list[float], rate: int) -> None:
    buckets, quotas = Buckets(), Settings()
    quotas.quotas.rates = {"GetGateway": rate}
    now, granted = 0.0, []
    for gap in gaps:
        now += gap
        try:
            buckets.take("1" * 12, "us-east-1", "GetGateway", quotas, now)
        except ServiceError:
            continue
        granted.append(now)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            window = granted[last] - granted[first]
            assert last - first + 1 <= rate * window + rate + 1e-6


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["create", "update", "delete", "wait"]), st.integers(0, 9)), max_size=60
    ),
    limit=st.integers(1, 4),
)
def test_no_more_targets_move_than_the_quota_allows(steps: list[tuple[str, int]], limit: int) -> None:
    now = 0.0
    configured = Settings()
    configured.quotas.enabled, configured.quotas.writes_in_flight = True, limit
    configured.quotas.rates = {}
    configured.switches.in_flight_counts = "targets"
    configured.switches.transient_writes = "accept"
    engine = Engine(configured, clock=lambda: now)
    admin = AdminClient.in_process(engine)
    admin.create_gateway(GATEWAY)
    ids: list[str] = []
    for verb, number in steps:
        if verb == "wait":
            now += number / 20
            continue
        body = {"name": f"t{number}", "targetConfiguration": server()}
        path = f"/gateways/{GATEWAY}/targets/"
        if verb != "create":
            path += f"{ids[number % len(ids)] if ids else 'A' * 10}/"
        method = {"create": "POST", "update": "PUT", "delete": "DELETE"}[verb]
        raw = b"" if verb == "delete" else json.dumps(body).encode()
        answer = engine.handle(Request(method, path, "", {"authorization": SCOPE}, raw))
        if verb == "create" and answer.status == 202:
            ids.append(json.loads(answer.body)["targetId"])
        moving = sum(target["status"].endswith("ING") for target in admin.targets(GATEWAY))
        assert moving <= limit
        assert answer.status in {202, 404, 409} or moving == limit


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 7),
    count=st.integers(0, 12),
    removed=st.sets(st.integers(0, 11)),
    after=st.integers(0, 5),
)
def test_pages_show_what_stays_exactly_once(size: int, count: int, removed: set[int], after: int) -> None:
    engine = Engine(clock=lambda: 0.0)
    admin = AdminClient.in_process(engine)
    admin.create_gateway(GATEWAY)
    ids = [
        admin.create_target(GATEWAY, name=f"t{n}", targetConfiguration=server())["targetId"]
        for n in range(count)
    ]
    seen: list[str] = []
    token: Any = None
    for page in range(100):
        query = f"maxResults={size}" + (f"&nextToken={token}" if token else "")
        answer = engine.handle(
            Request("GET", f"/gateways/{GATEWAY}/targets/", query, {"authorization": SCOPE})
        )
        body = json.loads(answer.body)
        seen += [row["targetId"] for row in body["items"]]
        if page == after:
            for number in removed & set(range(count)):
                admin.delete_target(ids[number])
        token = body.get("nextToken")
        if token is None:
            break
    assert len(seen) == len(set(seen))
    stayed = {ids[number] for number in range(count) if number not in removed}
    assert stayed <= set(seen) <= set(ids)
