from __future__ import annotations

import gc
import json
import time
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.codec import DecodeError, decode
from mcp_gateway_operator.api.types import MCPServer, MCPServerSpec
from tests.unit.api.cases import OAUTH_ARN, ODD, Odd


def _object(**parts: Any) -> dict[str, Any]:
    metadata = {"name": "github", "namespace": "team-a", "uid": "u-1", "generation": 2}
    return {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": metadata,
        **parts,
    }


def _decode(plain: Any) -> MCPServer:
    return decode(json.dumps(plain).encode())


def _fleet_member(number: int) -> bytes:
    """An object of 2 kB with everything that a real one carries."""
    spec = {
        "endpoint": f"https://server-{number}.example.com/mcp",
        "capabilities": ["tools"],
        "authType": "OAuth2",
        "oauthProviderArn": OAUTH_ARN,
        "oauthScopes": ["repo", "read:org"],
        "gatewayId": "tools-abcdefghij",
        "allowedRequestHeaders": ["X-Tenant-Id"],
    }
    metadata = {
        "name": f"server-{number}",
        "namespace": f"team-{number % 50}",
        "uid": f"{number:08d}-0000-4000-8000-000000000000",
        "resourceVersion": str(100_000 + number),
        "generation": 1,
        "creationTimestamp": "2026-11-22T12:00:00Z",
        "finalizers": [names.FINALIZER],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(spec)},
        "managedFields": [{"manager": "kubectl", "fieldsV1": {f"f:{field}": {} for field in spec}}],
    }
    condition = {
        "status": "True",
        "reason": "GatewayTargetReady",
        "message": "The target is READY in the gateway.",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-22T12:00:00Z",
    }
    status = {
        "observedGeneration": 1,
        "targetId": f"T{number:09d}",
        "recordedFor": metadata["uid"],
        "gatewayArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/tools-abcdefghij",
        "gatewayId": "tools-abcdefghij",
        "targetName": f"server-{number}",
        "targetStatus": "READY",
        "conditions": [{"type": kind, **condition} for kind in ("Ready", "Synced", "Reconciling", "Stalled")],
    }
    return json.dumps({"kind": "MCPServer", "metadata": metadata, "spec": spec, "status": status}).encode()


def test_reads_metadata_spec_and_status() -> None:
    found = decode(_fleet_member(7))

    assert found.key == ("team-7", "server-7")
    assert found.metadata.finalizers == (names.FINALIZER,)
    assert found.spec.oauth_scopes == ("repo", "read:org")
    assert [each.type for each in found.status.conditions] == ["Ready", "Synced", "Reconciling", "Stalled"]


def test_ignores_fields_of_a_later_version() -> None:
    found = _decode(
        _object(spec={"endpoint": "https://a", "later": {"a": [1]}}, status={"later": 1}, extra=2)
    )

    assert found.spec == MCPServerSpec(endpoint="https://a")


def test_null_means_absent_at_every_depth() -> None:
    spec = {
        "endpoint": "https://a",
        "description": None,
        "oauthScopes": ["a", None],
        "iam": None,
        "mcpToolSchema": {"inline": None, "s3": {"uri": "s3://a/b", "bucketOwnerAccountId": None}},
        "resourcePriority": None,
    }

    found = _decode(_object(spec=spec, status=None))

    assert found.spec.description == ""
    assert found.spec.oauth_scopes == ("a",)
    assert found.spec.iam is None
    assert found.spec.mcp_tool_schema is not None
    assert found.spec.mcp_tool_schema.inline == ""
    assert found.spec.resource_priority is None
    assert found.status.conditions == ()


def test_keeps_our_annotations_only() -> None:
    ours = {
        names.PAUSED_ANNOTATION: "true",
        names.SYNC_ANNOTATION: "1",
        names.GATEWAY_ANNOTATION: "tools-abcdefghij",
    }
    plain = _object()
    ours[f"{names.GROUP}/pause"] = ""
    plain["metadata"]["annotations"] = {
        **ours,
        f"{names.GROUP}/pause": "true",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }

    assert _decode(plain).metadata.annotations == ours
    assert _decode(_object()).metadata.annotations == {}


def test_reads_a_part_of_a_list_without_copying_it() -> None:
    plain = json.dumps({"items": [_object(spec={"endpoint": "https://a", "iam": None, "description": None})]})

    (item,) = msgspec.json.decode(plain, type=dict[str, list[msgspec.Raw]])["items"]

    assert decode(item).spec == MCPServerSpec(endpoint="https://a")
    assert decode(memoryview(bytes(item))) == decode(bytes(item))


def test_an_object_without_a_spec_has_an_empty_one() -> None:
    assert _decode(_object()).spec == MCPServerSpec()


def test_equal_values_of_different_objects_are_one_value() -> None:
    one, other = decode(_fleet_member(1)), decode(_fleet_member(51))

    assert one.metadata.namespace is other.metadata.namespace
    assert one.metadata.finalizers is other.metadata.finalizers
    assert one.spec.auth_type is other.spec.auth_type
    assert one.spec.gateway_id is other.spec.gateway_id
    assert one.spec.oauth_scopes is other.spec.oauth_scopes
    assert one.status.conditions[0].reason is other.status.conditions[3].reason
    assert one.spec.endpoint != other.spec.endpoint


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "Not JSON"),
        (b"[]", "Not an MCPServer"),
        (b'{"metadata": {}}', "name"),
        (b'{"metadata": {"name": "a"}, "spec": {"endpoint": 5}}', r"\$\.spec\.endpoint"),
        (b'{"metadata": {"name": "a"}, "spec": {"oauthScopes": "a"}}', r"\$\.spec\.oauthScopes"),
    ],
)
def test_says_what_it_could_not_read(raw: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        decode(raw)


@given(st.sampled_from(ODD))
def test_what_is_encoded_is_decoded_again(case: Odd) -> None:
    before = _decode(_object(spec=case.spec))
    assume(before.left_out is None)

    assert decode(msgspec.json.encode(before)) == before


def test_ten_thousand_objects_take_well_under_a_second_and_little_memory() -> None:
    raw = [_fleet_member(number) for number in range(10_000)]
    began = time.process_time()
    decoded = [decode(each) for each in raw]
    assert time.process_time() - began < 1.0  # 0.1 s where this was written
    del decoded

    gc.collect()
    tracemalloc.start()
    try:
        kept = [decode(each) for each in raw[:1000]]
        per_object = tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
    assert per_object < 2048


def test_null_inside_what_is_kept_as_plain_json_is_absent_too() -> None:
    vpc = {"vpcIdentifier": "vpc-0a1b2c3d", "tags": {"a": None, "b": "c"}, "routingDomain": None}
    spec = {
        "endpoint": "https://a.example.com",
        "privateEndpoint": {"selfManagedLatticeResource": None, "managedVpcResource": vpc},
        "certificateConfigurations": [{"s3": None, "secretsManager": {"secretArn": "x"}}],
    }
    raw = json.dumps({"metadata": {"name": "a"}, "spec": spec}).encode()

    found = decode(raw).spec

    assert found.private_endpoint == {
        "managedVpcResource": {"vpcIdentifier": "vpc-0a1b2c3d", "tags": {"b": "c"}}
    }
    assert found.certificate_configurations == ({"secretsManager": {"secretArn": "x"}},)
