"""Requests to an API server in JSON, as the local cluster's own methods make them."""

from __future__ import annotations

import time
from typing import Any

import httpx2

from mcp_gateway_operator_demo.localcluster.errors import ClusterRequestError

_TIMEOUT = 30.0  # seconds, as below
_BUSY_PAUSE = 0.05


def request(
    client: httpx2.Client,
    server_url: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    allowed: int = 0,
) -> dict[str, Any]:
    """Make one request, and return the answer's body. `allowed` is a status that is no error here.

    Raises:
        ClusterRequestError: the API server refused it, or did not answer in time.
    """
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    deadline = time.monotonic() + _TIMEOUT
    try:
        while True:
            answer = client.request(
                method, f"{server_url}{path}", json=body, headers={"Content-Type": kind}, timeout=_TIMEOUT
            )
            # The storage of a CRD that has just been changed is being prepared; kubectl asks again, too.
            if answer.status_code != httpx2.codes.TOO_MANY_REQUESTS or time.monotonic() >= deadline:
                break
            time.sleep(_BUSY_PAUSE)
        content: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise ClusterRequestError(f"{method} {path}: {error}") from error
    if answer.is_success or answer.status_code == allowed:
        return content
    raise ClusterRequestError(f"{method} {path}: {content.get('message', answer.status_code)}")


def answers(client: httpx2.Client, url: str) -> bool:
    """Return whether a URL is answered with success."""
    try:
        return client.get(url).is_success
    except httpx2.HTTPError:
        return False


def is_established(crd: dict[str, Any]) -> bool:
    """Return whether a CustomResourceDefinition is served; one that is new enough has no conditions yet."""
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
