"""The way to the cluster: the caller's kubeconfig, and what a refusal means to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final, NoReturn, TypeVar

import click
import msgspec

from mcp_gateway_operator import __version__
from mcp_gateway_operator.api.codec import DecodeError, decode
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.controller.ports import MCPSERVERS
from mcp_gateway_operator.runtime import kubeconfig as kubeconfigs
from mcp_gateway_operator.runtime.cluster import ApiError, Cluster, Resource
from mcp_gateway_operator.runtime.transport import connect
from mcp_gateway_operator.shown import shown

T = TypeVar("T")

PAGE: Final = 500
"""Objects in one page of a list."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which cluster, and which part of it, as the options of a command say.

    Attributes:
        otherwise: what to do where the account may not read that, "" for what most commands say.
    """

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    all_namespaces: bool = False
    selector: str = ""
    otherwise: str = ""

    def everywhere(self, besides: str = "") -> Scope:
        """Return all of the cluster, for a command that can do with no less; `besides` is a way around it."""
        ask = (
            "This command reads all namespaces: ask for the ClusterRole mcpserver-viewer-role in all of them."
        )
        return msgspec.structs.replace(self, namespace="", all_namespaces=True, otherwise=ask + besides)

    def where(self) -> str | None:
        """Return the namespace that is meant, as kubectl chooses it; None means all.

        Raises:
            ClickException: both one and all are meant, or there is no cluster.
        """
        if self.all_namespaces:
            if self.namespace:
                raise click.UsageError("-n names one namespace and -A means all: give one of them.")
            return None
        if self.namespace:
            return self.namespace
        try:
            found = kubeconfigs.find(kubeconfig=self.kubeconfig or None, context=self.context or None)
        except kubeconfigs.ClusterConfigError as error:
            raise click.ClickException(str(error)) from error
        return found.namespace or "default"


def with_cluster(scope: Scope, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Return what `work` makes of a connection to the cluster, which is closed behind it.

    Raises:
        ClickException: there is none, or it refuses; the message says what to do.
    """
    found: list[T] = []

    async def whole() -> None:
        try:
            cluster = connect(
                kubeconfig=scope.kubeconfig or None,
                context=scope.context or None,
                user_agent=f"mcps/{__version__}",
            )
        except kubeconfigs.ClusterConfigError as error:
            raise click.ClickException(str(error)) from error
        try:
            # Not as the task's result: asyncio writes that out, however long it is, at its end.
            found.append(await work(cluster))
        except ApiError as error:
            refuse(error, scope.otherwise or _ELSEWHERE)
        finally:
            await cluster.close()

    asyncio.run(whole())
    return found[0]


_ELSEWHERE: Final = (
    "Name a namespace in which it may (-n), or ask for the ClusterRole mcpserver-viewer-role (to pause and "
    "resume, mcpserver-editor-role)."
)


def refuse(error: ApiError, otherwise: str = _ELSEWHERE) -> NoReturn:
    """Raise what a refusal of the API server means to the caller.

    Args:
        error: the refusal.
        otherwise: what to do where the account may not do what was asked.

    Raises:
        ClickException: always.
    """
    words = shown(error.message)
    match error.status:
        case HTTPStatus.NOT_FOUND:
            said = (
                "This cluster has no MCPServers, for their CustomResourceDefinition is not installed: run "
                "`mcp-gateway-operator crd | kubectl apply --server-side -f -`, or name another --context."
            )
        case HTTPStatus.FORBIDDEN:
            said = f"Your account may not do that: {words}. {otherwise}"
        case HTTPStatus.UNAUTHORIZED:
            said = f"The cluster does not accept your credentials: log in again. It says: {words}"
        case HTTPStatus.BAD_REQUEST:
            said = f"The cluster does not understand that: {words}. Check -l and -n."
        case _ if error.unavailable:
            said = (
                f"The cluster cannot be reached: {words}. Check the kubeconfig, its context and the network."
            )
        case _:
            said = f"The cluster refuses: {words}"
    raise click.ClickException(said) from error


async def raw_objects(
    cluster: Cluster, resource: Resource, namespace: str | None, *, name: str = "", labels: str = ""
) -> AsyncIterator[msgspec.Raw]:
    """Yield the objects of a namespace, or of all, as the API server sends them.

    Raises:
        ApiError: the API server refuses.
    """
    token, limit = "", PAGE
    while True:
        try:
            page = await cluster.list(
                resource, namespace=namespace, name=name, labels=labels, limit=limit, continue_token=token
            )
        except ApiError as error:
            if not error.too_long or limit == 1:
                raise
            limit = max(1, limit // 4)
            continue
        for raw in page.items:
            yield raw
        token = page.continue_token
        if not token:
            return


async def servers(
    cluster: Cluster, namespace: str | None, *, name: str = "", labels: str = ""
) -> AsyncIterator[MCPServer]:
    """Yield the MCPServers of a namespace, or of all; what cannot be read is passed over and said.

    Raises:
        ApiError: the API server refuses.
    """
    async for raw in raw_objects(cluster, MCPSERVERS, namespace, name=name, labels=labels):
        try:
            yield decode(raw)
        except DecodeError as error:
            click.echo(f"An MCPServer cannot be read and is left out: {shown(str(error))}", err=True)
