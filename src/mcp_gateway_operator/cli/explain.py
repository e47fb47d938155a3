"""Says in one sentence what to do when MCPServers cannot be listed, in the log and at /readyz."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import structlog

from mcp_gateway_operator.runtime.cluster import ApiError
from mcp_gateway_operator.runtime.informer import Informer
from mcp_gateway_operator.runtime.lease import Lease

LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at the informer's trouble, which is in memory."""

log = structlog.get_logger(__name__)


def advice(error: ApiError) -> str:
    """Return what to do about an error that keeps MCPServers from being listed and watched."""
    match error.status:
        case HTTPStatus.NOT_FOUND:
            return (
                "The CustomResourceDefinition of MCPServers is not installed, so there is nothing to do yet: "
                "run `mcp-gateway-operator crd | kubectl apply --server-side -f -`."
            )
        case HTTPStatus.FORBIDDEN:
            return (
                "The operator's account may not list and watch MCPServers: install its roles (the Helm chart "
                "does, and so does `kubectl apply --server-side -k config/default`), or name the namespaces "
                f"that it may see in --watch-namespaces. The API server says: {error.message}"
            )
        case HTTPStatus.UNAUTHORIZED:
            return (
                "The Kubernetes API server does not accept the operator's credentials: they have expired, or "
                f"are for another cluster. Renew the token or the kubeconfig. It says: {error.message}"
            )
        case _:
            return f"MCPServers cannot be listed: {error}. It is tried again."


def why_not_ready(informer: Informer[Any]) -> str | None:
    """Return why the first list has not succeeded yet, None once it has."""
    if informer.synced.is_set() or informer.trouble is None:
        return None
    return advice(informer.trouble)


def why_no_lease(lease: Lease) -> str | None:
    """Return why the lease cannot be taken, None while it is held, by whomever."""
    if lease.trouble is None:
        return None
    return f"the lease cannot be taken, and without it nothing is written: {lease.trouble}"


def why_shut(seconds: float, call_seconds: float) -> str | None:
    """Return why nothing is written although the lease is held, or None."""
    if not seconds:
        return None
    return (
        f"nothing has been written for {seconds:.1f} s: the lease is held, but renewals fail or take so long "
        f"that it may end before a call to AWS does, which may take {call_seconds:g} s"
    )


async def explain_troubles(informer: Informer[Any]) -> None:
    """Log the advice once whenever a trouble begins that somebody must end; runs until cancelled."""
    told = ""
    while True:
        error = informer.trouble
        # An API server that is away comes back by itself, and the informer has said so.
        text = "" if error is None or error.unavailable else advice(error)
        if text and text != told:
            log.error(text)
        told = text
        await asyncio.sleep(LOOK_AGAIN)
