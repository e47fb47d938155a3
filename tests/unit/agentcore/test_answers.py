"""Answers of any shape: read, or refused in words that stay the same."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from functools import cache
from typing import Any

import msgspec
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.agentcore.aws import parse_answer as answers
from mcp_gateway_operator.agentcore.aws import sdk
from mcp_gateway_operator.agentcore.aws.classify_error import from_botocore
from mcp_gateway_operator.agentcore.observe import GatewayTable
from mcp_gateway_operator.targets.known import AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import describe_diffs, digest_of, field_diffs, flatten_target, instant

ROW: dict[str, Any] = {
    "targetId": "abcdefghij",
    "name": "tools",
    "status": "READY",
    "createdAt": "2026-01-01T12:00:00.123456Z",
    "updatedAt": "2026-01-01T12:00:00.123456789+00:00",
    "description": "about tools",
    "lastSynchronizedAt": "2026-01-01T12:00:00Z",
    "resourcePriority": 7,
    "listingMode": "DEFAULT",
}
FULL: dict[str, Any] = {
    **{key: ROW[key] for key in ("targetId", "name", "status", "createdAt", "updatedAt", "description")},
    "gatewayArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/g",
    "statusReasons": ["it is slow"],
    "targetConfiguration": {
        "mcp": {
            "mcpServer": {
                "endpoint": "https://a.example/mcp",
                "listingMode": "DYNAMIC",
                "resourcePriority": 9,
                "mcpToolSchema": {"inlinePayload": "[]"},
            }
        }
    },
    "credentialProviderConfigurations": [
        {
            "credentialProviderType": "OAUTH",
            "credentialProvider": {
                "oauthCredentialProvider": {
                    "providerArn": "arn:aws:x:us-east-1:123456789012:y",
                    "scopes": ["read"],
                    "customParameters": {"audience": "a"},
                }
            },
        }
    ],
    "metadataConfiguration": {"allowedRequestHeaders": ["X-One"], "allowedQueryParameters": ["q"]},
    "authorizationData": {"oauth2": {"authorizationUrl": "https://consent.example/"}},
}


class Wire:
    """A client whose every request gets the same answer, parsed by botocore as if it came from AWS."""

    def __init__(self) -> None:
        session = sdk.new_session("us-east-1")
        session.set_credentials("test", "test")
        self.client: Any = sdk.new_client(session, user_agent="test/0", connections=1)
        self.client.meta.events.register("before-send", self._send)
        self.body = b""

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, HeadersDict({}), _Raw(self.body))

    def get(self, body: bytes) -> Any:
        """Return GetGatewayTarget's answer."""
        self.body = body
        answer = self.client.get_gateway_target(gatewayIdentifier="g-abcdefghij", targetId="abcdefghij")
        shape = self.client.meta.service_model.operation_model("GetGatewayTarget").output_shape
        answers.check(shape, answer)
        return answers.target(answer)

    def list(self, body: bytes) -> Any:
        """Return ListGatewayTargets's answer."""
        self.body = body
        return answers.page(self.client.list_gateway_targets(gatewayIdentifier="g-abcdefghij"))


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


@cache
def wire() -> Wire:
    """Build the client once: it costs more than all the rest."""
    return Wire()


def read(call: Any, body: bytes) -> Any:
    """Return what was read, or what the adapter makes of an answer that cannot be."""
    try:
        return call(body)
    except Exception as error:  # noqa: BLE001  -- botocore's own, of many kinds
        return from_botocore(error, mutating=True)


def refused(call: Any, body: bytes) -> AgentCoreError:
    """Return what the adapter makes of an answer that cannot be read."""
    error = read(call, body)
    assert isinstance(error, AgentCoreError), error
    return error


def test_a_row_is_read_in_full() -> None:
    """A row is read in full, its instants as they were written."""
    (row,) = wire().list(json.dumps({"items": [ROW]}).encode()).items
    assert (row.target_id, row.name, row.status) == ("abcdefghij", "tools", "READY")
    assert (row.created_at, row.updated_at) == (ROW["createdAt"], ROW["updatedAt"])
    assert (row.resource_priority, row.listing_mode) == (7, "DEFAULT")


def test_a_status_that_nobody_knows_yet_is_read() -> None:
    """AWS may add states."""
    (row,) = wire().list(json.dumps({"items": [{**ROW, "status": "PONDERING"}]}).encode()).items
    assert row.status == "PONDERING"


def halved(value: Any) -> Any:
    """Return a JSON value with half a character at the end of every text but ids, ARNs and moments."""
    match value:
        case dict():
            kept = ("Id", "At", "Arn", "mode")
            return {key: each if key.endswith(kept) else halved(each) for key, each in value.items()}
        case list():
            return [halved(each) for each in value]
        case str():
            return f"{value}\ud83d"
        case _:
            return value


def test_half_a_character_is_replaced_wherever_it_is() -> None:
    """JSON can escape what no text that is written may hold."""
    target = wire().get(json.dumps(halved(FULL)).encode())
    (row,) = wire().list(json.dumps({"items": [halved(ROW)]}).encode()).items
    assert target.status_reasons == ("it is slow\ufffd",)
    assert row.description == "about tools\ufffd"
    for read_ in (target, row):
        assert "\\ud83d" not in repr(read_)
        msgspec.json.encode(read_)


@pytest.mark.parametrize("change", [{"targetId": "abc\u202edefg"}, {"gatewayArn": "arn:\x1b[31m"}])
def test_ids_that_cannot_be_shown_as_they_are_are_refused(change: dict[str, Any]) -> None:
    """They stand in status, where they are read again."""
    assert refused(wire().get, json.dumps({**FULL, **change}).encode()).kind is ErrorKind.TRANSIENT


def test_a_full_target_is_read() -> None:
    """A full target has its listing mode where it was written."""
    target = wire().get(json.dumps(FULL).encode())
    assert (target.summary.listing_mode, target.summary.resource_priority) == ("DYNAMIC", 9)
    assert target.authorization_url == "https://consent.example/"
    assert target.status_reasons == ("it is slow",)
    assert flatten_target(target)["endpoint"] == "https://a.example/mcp"


@pytest.mark.parametrize(
    "change",
    [
        {"targetId": None},
        {"targetId": 7},
        {"targetId": ""},
        {"name": "x" * 5_000_000},
        {"description": "x" * 5_000_000},
        {"status": None},
        {"status": ["READY"]},
        {"createdAt": None},
        {"updatedAt": "yesterday"},
        {"updatedAt": "0001-01-01T00:00:00+14:00"},
        {"updatedAt": "9999-12-31T23:59:59-14:00"},
        {"updatedAt": {}},
        {"lastSynchronizedAt": "soon"},
        {"resourcePriority": "high"},
    ],
    ids=lambda change: f"{next(iter(change))}={str(next(iter(change.values())))[:20]}",
)
def test_a_row_of_another_shape_makes_the_list_unreadable(change: dict[str, Any]) -> None:
    """Half a List would make targets vanish: it is all of it or nothing."""
    error = refused(wire().list, json.dumps({"items": [ROW, {**ROW, **change}]}).encode())
    assert error.kind is ErrorKind.TRANSIENT
    assert "could not be read" in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize("body", [b"", b"<html>login here</html>", b"{}", b"[]", b'{"items": 7}', b'"items"'])
def test_a_body_of_another_shape_is_no_empty_gateway(body: bytes) -> None:
    """A body of another shape is no empty gateway."""
    assert refused(wire().list, body).kind is ErrorKind.TRANSIENT


def test_what_cannot_be_read_is_said_alike_whatever_it_was() -> None:
    """Another message each time would be a status write each time."""
    bodies = [f"<html>incident {number} at 12:0{number}</html>".encode() for number in range(3)]
    assert len({refused(wire().list, body).message for body in bodies}) == 1


def test_reasons_are_bounded() -> None:
    """A hundred reasons of 2,048 characters are kept at most, as the service model has it."""
    target = wire().get(json.dumps({**FULL, "statusReasons": ["x" * 5000] * 500}).encode())
    assert [len(reason) for reason in target.status_reasons] == [2048] * 100


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(way for key, each in inside for way in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """Return a copy with one value replaced."""
    if not path:
        return by
    copy = deepcopy(value)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = by
    return copy


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["2026-01-01", "12:00", "https://b.example/mcp"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=200)
@given(way=st.sampled_from(places(FULL)), value=junk)
def test_whatever_a_get_answers_can_be_compared_or_is_an_error(way: tuple[Any, ...], value: Any) -> None:
    """Whatever a Get answers can be compared, or is an error of the adapter."""
    body = json.dumps(replaced(FULL, way, value)).encode()
    target = read(wire().get, body)
    if isinstance(target, AgentCoreError):
        assert target.kind is ErrorKind.TRANSIENT
        return
    have = flatten_target(target, region="us-east-1")
    describe_diffs(field_diffs(flatten_target(wire().get(json.dumps(FULL).encode())), have))
    digest_of(have)


def test_a_timestamp_without_a_zone_is_in_utc() -> None:
    """A timestamp without a zone is in UTC, as all of AWS's are."""
    page = read(wire().list, json.dumps({"items": [{**ROW, "updatedAt": "2026-01-01T12:00:00"}]}).encode())
    assert not isinstance(page, AgentCoreError)
    assert instant(page.items[0].updated_at) == instant("2026-01-01T12:00:00Z")


@settings(deadline=None, max_examples=200)
@given(way=st.sampled_from(places([ROW, {**ROW, "targetId": "other"}])), value=junk)
def test_whatever_a_list_answers_fits_into_the_table_or_is_an_error(way: tuple[Any, ...], value: Any) -> None:
    """Whatever a List answers fits into the table, or is an error of the adapter."""
    items = replaced([ROW, {**ROW, "targetId": "other"}], way, value)
    page = read(wire().list, json.dumps({"items": items}).encode())
    if isinstance(page, AgentCoreError):
        assert page.kind is ErrorKind.TRANSIENT
        return
    table = GatewayTable("g")
    table.apply_list(page.items, began=1.0)
    assert {row.summary.target_id for row in table.rows()} == {item.target_id for item in page.items}
    assert all(instant(row.summary.updated_at).tzinfo for row in table.rows())
