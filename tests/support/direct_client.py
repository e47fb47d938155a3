"""botocore on an engine of this process, without what only a network needs: a fraction of the cost of a call.

Parameters are checked and serialised, answers and errors parsed as in every client; a question or an answer
to a read that is the same to the byte is so once only. Who is to see signatures, endpoints, retries or the
user agent has `agentcore_simulator.attach` or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import msgspec
from botocore.awsrequest import HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.model import OperationModel
from botocore.utils import percent_encode_sequence

from agentcore_simulator import Engine
from agentcore_simulator.messages import Request, Response

_FAILED = 300
"""From this status on an answer is an error, as botocore has it."""
_REMEMBERED = 256
"""Different questions, and different answers, of each client."""
_LONG = 8192
"""Bytes of an answer from which on it is not remembered."""


def attach(client: Any, engine: Callable[[], Engine]) -> None:
    """Let a client's calls go to an engine, unsigned but for the scope, which says whose they are."""
    # botocore has no public names for most of what is used here.
    service = client.meta.service_model
    scope = f"{client.meta.region_name}/{service.signing_name}/aws4_request"
    signed = {"authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{scope}"}
    parser = client._endpoint._response_parser_factory.create_parser(service.resolved_protocol)

    def asked(model: OperationModel, given: dict[str, Any]) -> Request:
        params = client._emit_api_params(api_params=given, operation_model=model, context={})
        made = client._serializer.serialize_to_request(params, model)
        body = urlencode(made["body"]) if isinstance(made["body"], dict) else made["body"]
        return Request(
            made["method"],
            made["url_path"],
            percent_encode_sequence(made["query_string"]),
            {**{name.lower(): value for name, value in made["headers"].items()}, **signed},
            body.encode() if isinstance(body, str) else body,
        )

    def understood(model: OperationModel, answer: Response) -> dict[str, Any]:
        raw = {
            "headers": HeadersDict(answer.headers),
            "status_code": answer.status,
            "context": {"operation_name": model.name},
            "body": answer.body,
        }
        parsed: dict[str, Any] = parser.parse(raw, model.output_shape)
        if answer.status >= _FAILED:
            client._endpoint._add_modeled_error_fields(raw, parsed, model, parser)
            raise client.exceptions.from_code(parsed.get("Error", {}).get("Code"))(parsed, model.name)
        return parsed

    @lru_cache(_REMEMBERED)
    def asked_before(operation: str, given: bytes) -> Request:
        return asked(service.operation_model(operation), msgspec.json.decode(given))

    @lru_cache(_REMEMBERED)
    def understood_before(operation: str, status: int, body: bytes) -> dict[str, Any]:
        parsed = understood(service.operation_model(operation), Response(status, {}, body))
        del parsed["ResponseMetadata"]
        return parsed

    def call(operation: str, given: dict[str, Any]) -> dict[str, Any]:
        model = service.operation_model(operation)
        reads = model.http["method"] == "GET"
        request = asked_before(operation, msgspec.json.encode(given)) if reads else asked(model, given)
        answer = engine().handle(request)
        if answer.effect == "hang":
            raise ReadTimeoutError(endpoint_url=client.meta.endpoint_url)
        if answer.effect != "answer":
            raise ConnectionClosedError(endpoint_url=client.meta.endpoint_url)
        if not reads or answer.status >= _FAILED or len(answer.body) >= _LONG:
            return understood(model, answer)
        known = understood_before(operation, answer.status, answer.body)
        return {**_copied(known), "ResponseMetadata": _metadata(answer)}

    client._make_api_call = call


def _copied(value: Any) -> Any:
    """Return what nobody else has: who changes an answer changes no other's."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _metadata(answer: Response) -> dict[str, Any]:
    """Return what botocore says of an answer beside its members."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    known = {"RequestId": headers["x-amzn-requestid"]} if "x-amzn-requestid" in headers else {}
    return {**known, "HTTPStatusCode": answer.status, "HTTPHeaders": headers}
