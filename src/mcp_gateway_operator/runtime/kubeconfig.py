"""Finds the cluster to talk to and opens an HTTP client for it.

The order is controller-runtime's: an explicit file, the KUBECONFIG variable, the pod's ServiceAccount, the
file in the home directory. lightkube reads the files; `httpx2` speaks.
"""

from __future__ import annotations

import os
import socket
import ssl
import urllib.request
from pathlib import Path

import httpx2
import msgspec
import yaml
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from mcp_gateway_operator.runtime.connections import StreamTransport
from mcp_gateway_operator.runtime.credentials import CredentialsError, ExecAuth, TokenFileAuth

_UNUSABLE = (ConfigError, OSError, KeyError, TypeError, AttributeError, msgspec.MsgspecError, yaml.YAMLError)
"""What lightkube raises for a file that is not a kubeconfig, or one with parts missing."""
HOME_FILE = Path("~/.kube/config")
TIMEOUT = httpx2.Timeout(connect=5.0, read=30.0, write=10.0, pool=10.0)
LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=60.0)


class ClusterConfigError(Exception):
    """There is no usable cluster configuration; the message is a sentence for the user."""


def find(*, kubeconfig: str | None, context: str | None) -> SingleConfig:
    """Return the configuration to use.

    Raises:
        ClusterConfigError: none was found, or it names things that it does not hold.
    """
    try:
        single = _load(kubeconfig, context).get(context)
    except _UNUSABLE as error:
        where = f"The kubeconfig {kubeconfig!r}" if kubeconfig else "The Kubernetes configuration"
        raise ClusterConfigError(f"{where} cannot be used: {_sentence(error)}.") from error
    assert single is not None, "lightkube raises ConfigError when there is no context"
    return single


def _load(kubeconfig: str | None, context: str | None) -> KubeConfig:
    if kubeconfig:
        return KubeConfig.from_file(kubeconfig)
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    for part in listed:
        if Path(part).expanduser().is_file():
            return KubeConfig.from_file(part)
    if listed:
        raise ClusterConfigError(f"KUBECONFIG names {os.pathsep.join(listed)!r}, which does not exist.")
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and Path(SERVICE_ACCOUNT, "token").exists()
    if in_pod and context is None:
        return KubeConfig.from_service_account()
    if HOME_FILE.expanduser().is_file():
        return KubeConfig.from_file(HOME_FILE)
    raise ClusterConfigError(
        "No Kubernetes cluster is configured: pass --kubeconfig, set KUBECONFIG, "
        "or run in a pod that has a ServiceAccount."
    )


def open_client(config: SingleConfig, *, user_agent: str) -> httpx2.AsyncClient:
    """Return a client with the cluster's address, certificates and credentials.

    Reads certificate files: call it off the event loop's thread when a loop runs.

    Raises:
        ClusterConfigError: a certificate or key cannot be read, or the credentials are of an unknown kind.
    """
    user = config.user or User()
    try:
        verify = verify_cluster(config.cluster, user, config.abs_file)
        auth = _auth(config, user)
    except (ConfigError, CredentialsError, OSError, ssl.SSLError, ValueError) as error:
        raise ClusterConfigError(
            f"The credentials of context {config.context_name!r} cannot be used: {_sentence(error)}."
        ) from error
    server = config.cluster.server
    proxy = _proxy(server)
    transport: httpx2.AsyncBaseTransport
    if proxy is None:
        transport = StreamTransport(tls=verify, options=_keepalive())
    else:
        transport = httpx2.AsyncHTTPTransport(
            verify=verify, limits=LIMITS, socket_options=_keepalive(), proxy=proxy
        )
    # Compressing lists costs the API server and us more CPU than a cluster's network saves.
    headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
    return httpx2.AsyncClient(
        base_url=server, auth=auth, transport=transport, timeout=TIMEOUT, headers=headers, trust_env=False
    )


def _auth(config: SingleConfig, user: User) -> httpx2.Auth | None:
    if user.token_file:
        return TokenFileAuth(Path(config.abs_file(user.token_file)))
    if user.token:
        token = user.token
        return httpx2.FunctionAuth(lambda request: _with_token(request, token))
    if user.exec:
        return ExecAuth(user.exec)
    if user.username and user.password:
        return httpx2.BasicAuth(user.username, user.password)
    if user.auth_provider:
        raise CredentialsError(
            "auth-provider was removed from Kubernetes 1.26; use an exec credential plugin"
        )
    return None


def _with_token(request: httpx2.Request, token: str) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _keepalive() -> list[tuple[int, int, int]]:
    """Let the kernel notice within a minute that the other side of an idle watch is gone."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _proxy(server: str) -> str | None:
    """Return the proxy that HTTPS_PROXY and NO_PROXY name for this server, as kubectl does."""
    url = httpx2.URL(server)
    if urllib.request.proxy_bypass(url.host):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _sentence(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it refers to {error.args[0]!r}, which it does not contain"
    if isinstance(error, TypeError | AttributeError):
        return "it does not have the structure of a kubeconfig"
    return str(error).rstrip(".")
