"""What stays of the largest objects that an API server admits: some kilobytes, and the truth about them."""

from __future__ import annotations

import gc
import json
import string
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import decode
from mcp_gateway_operator.api.large import KEPT, LARGE, MORE
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.api.validation import problems_of

BYTES = 600_000
SPEC = {"endpoint": "https://a.example.com/mcp", "capabilities": ["tools"], "authType": "NoAuth"}
TWO = [one + other for one in string.ascii_lowercase for other in string.ascii_lowercase]
PAIRS = (TWO * 500)[: BYTES // 5]


def obj(*, metadata: dict[str, Any] | None = None, status: object = None, **spec: Any) -> bytes:
    """Return an object as an API server sends it."""
    plain = {
        "metadata": {"name": "a", "namespace": "b", "uid": "c", "generation": 1, **(metadata or {})},
        "spec": {**SPEC, **spec},
        "status": status or {},
    }
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def inline(text: str) -> dict[str, Any]:
    return {"mcpToolSchema": {"inline": text}}


def conditions(count: int, size: int) -> list[dict[str, Any]]:
    return [{"type": f"Foreign{n}", "status": "True", "message": str(n) + "m" * size} for n in range(count)]


WORST: dict[str, Callable[[], bytes]] = {
    "a foreign annotation": lambda: obj(metadata={"annotations": {"example.com/x": "x" * 250_000}}),
    "our annotations": lambda: obj(
        metadata={
            "annotations": {names.SYNC_ANNOTATION: "s" * 120_000, names.PAUSED_ANNOTATION: "p" * 120_000}
        }
    ),
    "the gateway annotation": lambda: obj(
        metadata={"annotations": {names.GATEWAY_ANNOTATION: "g" * 250_000}}
    ),
    "labels": lambda: obj(metadata={"labels": {f"{n}": "x" for n in range(BYTES // 12)}}),
    "managed fields": lambda: obj(
        metadata={"managedFields": [{"fieldsV1": {f"f:{n}": {} for n in range(100_000)}}]}
    ),
    "finalizers": lambda: obj(metadata={"finalizers": [f"example.com/{n}" for n in range(60_000)]}),
    "short finalizers": lambda: obj(metadata={"finalizers": PAIRS}),
    "description": lambda: obj(description="d" * BYTES),
    "one emoji in a description": lambda: obj(description="\U0001f600" + "d" * BYTES),
    "endpoint": lambda: obj(endpoint="https://" + "e" * BYTES),
    "gateway": lambda: obj(gatewayId="g" * BYTES),
    "name": lambda: obj(targetName="\u4e2d" * (BYTES // 3)),
    "capabilities": lambda: obj(capabilities=["tools", *PAIRS]),
    "scopes": lambda: obj(oauthScopes=PAIRS),
    "headers": lambda: obj(allowedRequestHeaders=PAIRS, allowedResponseHeaders=["x" * 100_000]),
    "parameters": lambda: obj(oauthCustomParameters={f"{n}": "" for n in range(BYTES // 10)}),
    "legal parameters": lambda: obj(oauthCustomParameters={f"{n}": "\U0001f600" * 2048 for n in range(10)}),
    "legal scopes": lambda: obj(oauthScopes=["\U0001f600" * 63 + str(n % 10) for n in range(100)]),
    "legal schema": lambda: obj(**inline("\U0001f600" * 131_072)),
    "schema": lambda: obj(**inline("s" * BYTES)),
    "private endpoint": lambda: obj(
        privateEndpoint={"managedVpcResource": {"tags": dict.fromkeys(PAIRS, "a")}}
    ),
    "subnets": lambda: obj(privateEndpoint={"managedVpcResource": {"subnetIds": PAIRS}}),
    "certificates": lambda: obj(certificateConfigurations=[{"s3": {"uri": "s3://" + "a" * BYTES}}]),
    "reasons": lambda: obj(status={"statusReasons": PAIRS}),
    "conditions": lambda: obj(status={"conditions": conditions(1000, 1000)}),
    "many conditions": lambda: obj(status={"conditions": conditions(2000, 10)}),
    "defaults": lambda: obj(status={"observed": {"defaults": {f"{n}": "" for n in range(100_000)}}}),
    "moves": lambda: obj(status={"moves": [{"gatewayId": f"{n}"} for n in range(50_000)]}),
    "a request": lambda: obj(status={"lastSyncRequest": "r" * BYTES}),
    "a record": lambda: obj(status={"targetId": "t" * BYTES, "gatewayArn": "a" * 1000}),
    "small, of short texts": lambda: obj(oauthScopes=TWO[:600]),
}


def weigh(raw: bytes) -> tuple[int, int]:
    """Return the bytes that stay of an object, and the most that there are while it is decoded."""
    decode(raw)
    # What the collector has not seen yet is young: it need not look at what all other tests have left.
    gc.disable()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = decode(raw)
        gc.collect(0)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept is not None
    return after - before, peak - before


@pytest.mark.parametrize("kind", WORST)
def test_of_the_worst_there_is_stay_some_kilobytes(kind: str) -> None:
    """And decoding takes less than a page of a list, so that it does not matter how many come."""
    kept, peak = weigh(WORST[kind]())

    assert kept < 24_000
    assert peak < 8_000_000


def test_what_is_edited_again_and_again_leaves_nothing_behind() -> None:
    """One object, its annotations, lists and messages always others: no table may grow by it."""

    def version(number: int) -> bytes:
        text = f"{number:06d}" * 40
        return obj(
            metadata={"annotations": {names.SYNC_ANNOTATION: text, names.RECONCILE_ANNOTATION: text * 500}},
            oauthScopes=[f"{number}-{n}" for n in range(100)],
            status={
                "conditions": [*conditions(3, 1), {"type": "Ready", "status": "True", "message": text * 9}]
            },
        )

    for number in range(200):
        decode(version(number))
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(200, 1200):
            decode(version(number))
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < 1_000_000


@pytest.mark.parametrize("at", ["beginning", "end"])
def test_every_edit_of_what_is_not_kept_is_seen(at: str) -> None:
    def with_text(text: str) -> MCPServer:
        return decode(obj(**inline(text + "s" * 100_000 if at == "beginning" else "s" * 100_000 + text)))

    assert with_text("1") == with_text("1")
    assert with_text("1") != with_text("2")


def test_a_spec_is_whole_where_it_is_asked_for() -> None:
    raw = obj(**inline("s" * 100_000), description="d", toolSync={"interval": "6h"})

    kept, whole = decode(raw), decode(raw, whole=True)

    assert whole.left_out is None
    assert whole.spec.mcp_tool_schema is not None
    assert len(whole.spec.mcp_tool_schema.inline) == 100_000
    assert kept.left_out is not None
    assert kept.spec.mcp_tool_schema is None
    assert (kept.spec.description, kept.spec.tool_sync) == ("d", whole.spec.tool_sync)


def test_only_specs_are_left_out_that_are_large() -> None:
    large_elsewhere = decode(obj(metadata={"annotations": {"example.com/x": "x" * 100_000}}))
    just_small = decode(obj(oauthScopes=["s" * 60] * (KEPT // 70), description="x" * 60))

    assert large_elsewhere.left_out is None
    assert large_elsewhere.spec == decode(obj()).spec
    assert just_small.left_out is None
    assert KEPT < LARGE


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("description", "spec.description: too long: shorten it from 600000 to 200 characters"),
        ("capabilities", "spec.capabilities: too long: its 600"),
        ("name", "spec.targetName: too long: shorten it from 200000 to 200 characters"),
        ("subnets", "spec.privateEndpoint: too long"),
    ],
)
def test_what_is_wrong_is_told_as_it_is(kind: str, says: str) -> None:
    problems = problems_of(decode(WORST[kind]()))

    assert any(problem.startswith(says) for problem in problems)
    assert sum(map(len, problems)) < 10_000


def test_nulls_in_a_large_object_are_absent_too() -> None:
    raw = obj(description=None, oauthScopes=["a", None], **inline("s" * 10_000))

    assert decode(raw, whole=True).spec.oauth_scopes == ("a",)
    assert decode(raw).spec.description == ""
    assert decode(obj(status={"conditions": None, "targetId": "t" * 5000})).status.target_id == "t" * 5000


def test_our_finalizer_is_found_among_any_number() -> None:
    many = [f"example.com/{n}" for n in range(1000)]

    assert decode(obj(metadata={"finalizers": many})).metadata.finalizers == (MORE,)
    ours = decode(obj(metadata={"finalizers": [*many, names.FINALIZER]})).metadata.finalizers
    assert ours == (names.FINALIZER, MORE)
    told = {"annotations": {"x": names.FINALIZER}, "finalizers": many}
    assert decode(obj(metadata=told)).metadata.finalizers == (MORE,)
