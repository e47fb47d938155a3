"""botocore on an engine of this process, without what only a network needs: a third of the cost of a call.

Parameters are checked and serialised, answers and errors parsed as in every client. Who is to see signatures,
endpoints, retries or the user agent has `agentcore_simulator.attach` or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from botocore.utils import percent_encode_sequence

import agentcore_simulator
from agentcore_simulator import Engine

_FAILED = 300
"""From this status on an answer is an error, as botocore has it."""


@dataclass(slots=True)
class _Unsigned:
    """A request as botocore's endpoint hands it to whoever sends it."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | bytes = field(repr=False)


def attach(client: Any, engine: Callable[[], Engine]) -> None:
    """Let a client's calls go to an engine, unsigned but for the scope, which says whose they are."""
    agentcore_simulator.attach(client, engine)
    scope = f"{client.meta.region_name}/{client.meta.service_model.signing_name}/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{scope}"}

    def call(operation: str, given: dict[str, Any]) -> Any:
        # botocore has no public names for these.
        model = client.meta.service_model.operation_model(operation)
        params = client._emit_api_params(api_params=given, operation_model=model, context={})
        made = client._serializer.serialize_to_request(params, model)
        query, body = percent_encode_sequence(made["query_string"]), made["body"]
        request = _Unsigned(
            made["method"],
            f"{client.meta.endpoint_url}{made['url_path']}?{query}",
            {**made["headers"], **signed},
            urlencode(body) if isinstance(body, dict) else body,
        )
        answer, error = client._endpoint._do_get_response(request, model, {})
        if error is not None:
            raise error
        http, parsed = answer
        if http.status_code >= _FAILED:
            raise client.exceptions.from_code(parsed.get("Error", {}).get("Code"))(parsed, operation)
        return parsed

    client._make_api_call = call
