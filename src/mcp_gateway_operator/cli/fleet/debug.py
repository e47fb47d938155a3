"""The operator's own word, from its metrics port: at a given address, or through `kubectl port-forward`."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
import msgspec

from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet.reach import Scope, with_cluster
from mcp_gateway_operator.runtime import kubeconfig as kubeconfigs
from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster, Resource
from mcp_gateway_operator.runtime.credentials import CredentialsError
from mcp_gateway_operator.runtime.lease_record import decode
from mcp_gateway_operator.runtime.login import log_in
from mcp_gateway_operator.runtime.metrics_server import OBJECTS
from mcp_gateway_operator.shown import shown

PODS: Final = Resource("", "v1", "pods")
OPERATORS: Final = "app.kubernetes.io/name in (agent-op,mcp-gateway-operator)"
"""Labels of the operator's pods: kustomize's, and the chart's."""
TOKEN: Final = "MCPS_DEBUG_TOKEN"  # noqa: S105  -- the variable's name
SECONDS: Final = 10.0
"""For a connection, and for each part of an answer."""
LARGEST: Final = 4 * 1024 * 1024
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_ARGUMENT: Final = re.compile(r"--metrics-(bind-address|secure)=(.*)")


class NoAnswerError(Exception):
    """The operator was not asked, or did not answer; the message is a sentence that says what to do."""


class Call(msgspec.Struct, frozen=True):
    """One call to AWS, as the operator tells of it."""

    at: str
    operation: str
    answer: str
    milliseconds: int
    request_id: str


class Told(msgspec.Struct, frozen=True):
    """What the operator says of one object; `decision` in the words of its log."""

    generation: int
    decision: dict[str, str]
    next_pass_in_seconds: float | None
    failed_passes: int
    calls: tuple[Call, ...] = ()


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """A way to one operator's metrics port; `authorization` is the header, "" where none is sent."""

    address: str
    authorization: str

    def ask(self, path: str) -> bytes:
        """Return what it answers.

        Raises:
            NoAnswerError: nothing, or a refusal.
        """
        parts = urlsplit(self.address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NoAnswerError(
                "--debug-address is an address such as https://127.0.0.1:8443: write it like that."
            )
        headers = {"Authorization": self.authorization} if self.authorization else {}
        connection = _connection(parts.scheme, parts.hostname, parts.port)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(
                f"The operator does not answer at {self.address}: {shown(str(error))}."
            ) from error
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            raise NoAnswerError(_refused(answer.status, path, body))
        return body

    def about(self, namespace: str, name: str) -> Told:
        """Return what it says of one object.

        Raises:
            NoAnswerError: nothing, or a refusal.
        """
        body = self.ask(f"{OBJECTS}{quote(namespace)}/{quote(name)}")
        try:
            return msgspec.json.decode(body, type=Told)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NoAnswerError(
                f"What answers at {self.address} is not an operator of this version: check --debug-address."
            ) from error


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=SECONDS)
    # Its certificate is its own by default; the way to it is the API server's, or the caller's to choose.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)


def _refused(status: int, path: str, body: bytes) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return (
                f"The operator does not know you: set {TOKEN} to a token "
                "(`kubectl create token SERVICEACCOUNT`)."
            )
        case HTTPStatus.FORBIDDEN:
            return f"The operator may not tell you: ask for get on {path} (the ClusterRole debug-reader)."
        case HTTPStatus.NOT_FOUND:
            return (
                "The operator says nothing of it there: it does not know the object, another replica leads, "
                "or --metrics-secure=false lets everybody read the metrics, and so nobody the decisions."
            )
        case _:
            return f"The operator answers {status}: {shown(body[:200].decode(errors='replace').strip())}"


@contextmanager
def reached(scope: Scope, address: str) -> Iterator[Operator]:
    """Give the operator at an address, or without one the leading pod's, while the block lasts.

    Args:
        scope: the cluster.
        address: as `--debug-address` has it. No token is sent there but that of MCPS_DEBUG_TOKEN.

    Raises:
        NoAnswerError: there is no way to it.
    """
    token = os.environ.get(TOKEN, "")
    given = f"Bearer {token}" if token else ""
    if address:
        yield Operator(address=address, authorization=given)
        return
    program = shutil.which(os.environ.get("KUBECTL") or "kubectl")
    if program is None:
        raise NoAnswerError("There is no kubectl to reach the operator's pod with: give --debug-address.")
    pod = with_cluster(scope, _leading)
    where = [f"--kubeconfig={scope.kubeconfig}"] if scope.kubeconfig else []
    where += [f"--context={scope.context}"] if scope.context else []
    with _forwarded([program, *where], pod) as port:
        yield Operator(
            address=f"{pod.scheme}://127.0.0.1:{port}", authorization=given or _own_authorization(scope)
        )


class _Pod(msgspec.Struct, frozen=True, kw_only=True):
    namespace: str
    name: str
    port: int
    scheme: str


async def _leading(cluster: Cluster) -> _Pod:
    try:
        page = await cluster.list(PODS, labels=OPERATORS)
    except ApiError as error:
        raise NoAnswerError(
            f"The operator's pods cannot be seen ({shown(error.message)}): give --debug-address."
        ) from error
    pods = [msgspec.json.decode(raw) for raw in page.items]
    found = [(pod, place) for pod in pods if (place := _port(pod)) is not None]
    if not found:
        raise NoAnswerError(
            "No operator's pod here serves metrics: start it with --metrics-bind-address=:8443, or give "
            "--debug-address."
        )
    holders = {await _holder(cluster, pod["metadata"]["namespace"]) for pod, _ in found}
    leading = [each for each in found if each[0]["metadata"]["name"] in holders]
    pod, (port, scheme) = (leading or found)[0]
    meta = pod["metadata"]
    return _Pod(namespace=meta["namespace"], name=meta["name"], port=port, scheme=scheme)


def _port(pod: dict[str, Any]) -> tuple[int, str] | None:
    """Return where a pod's metrics are, and over what; None where it has none."""
    for container in pod["spec"].get("containers", ()):
        matches = map(_ARGUMENT.fullmatch, container.get("args", ()))
        given: dict[str, str] = {match[1]: match[2] for match in matches if match is not None}
        port = given.get("bind-address", "0").rpartition(":")[2]
        if port.isdecimal() and int(port):
            return int(port), "http" if given.get("secure") == "false" else "https"
    return None


async def _holder(cluster: Cluster, namespace: str) -> str:
    try:
        return decode(await cluster.get(LEASES, namespace, names.LEASE_NAME)).holder
    except ApiError:
        return ""


@contextmanager
def _forwarded(program: list[str], pod: _Pod) -> Iterator[str]:
    """Give the local port that leads to a pod."""
    arguments = [*program, "port-forward", "-n", pod.namespace, f"pod/{pod.name}", f":{pod.port}"]
    process = subprocess.Popen(  # noqa: S603  -- the caller's own kubectl
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    )
    timer = threading.Timer(SECONDS, process.terminate)
    timer.start()
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        match = _FORWARDING.match(said)
        timer.cancel()
        if match is None:
            raise NoAnswerError(
                f"kubectl cannot reach the operator's pod {pod.namespace}/{pod.name}: "
                f"{shown(said.strip()) or 'no answer'}. Ask for create on pods/portforward there, or give "
                "--debug-address."
            )
        yield match[1]
    finally:
        timer.cancel()
        process.terminate()
        process.communicate()


def _own_authorization(scope: Scope) -> str:
    """Return what the caller's kubeconfig logs in with, "" where that is a certificate."""
    try:
        config = kubeconfigs.find(kubeconfig=scope.kubeconfig or None, context=scope.context or None)
        login = log_in(config, os.environ)
        return asyncio.run(login.credentials.authorization())
    except (kubeconfigs.ClusterConfigError, CredentialsError) as error:
        raise NoAnswerError(str(error)) from error


debug_option = click.option(
    "--debug-address",
    envvar="MCPS_DEBUG_ADDRESS",
    default="",
    help=f"The operator's metrics port, as https://HOST:PORT, with a token in {TOKEN}; else through "
    "kubectl port-forward.",
)
