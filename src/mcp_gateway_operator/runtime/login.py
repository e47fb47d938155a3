"""From a kubeconfig's words to what a request needs: the server, how it is proven, and who asks."""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from mcp_gateway_operator.runtime.connections import Server
from mcp_gateway_operator.runtime.credentials import (
    Credentials,
    CredentialsError,
    ExecCredentials,
    FixedCredentials,
    TokenFile,
)
from mcp_gateway_operator.runtime.kubeconfig import Cluster, ClusterConfig, ClusterConfigError, User
from mcp_gateway_operator.runtime.pem import as_file, reason, trust_system
from mcp_gateway_operator.runtime.proxies import PORTS, Proxies, Proxy

_NAME_CHARACTERS: Final = "!#$&'*+-.^_`|~"
"""Beside letters and digits, what the name of a header may hold; client-go escapes the rest, and `%`."""


@dataclass(frozen=True, slots=True)
class Login:
    """What every request to a cluster needs.

    Attributes:
        server: where it goes.
        prefix: the path in front of Kubernetes' own, where one address serves many clusters; no slash behind.
        headers: whom it acts as (impersonation).
        credentials: who it is.
    """

    server: Server
    prefix: str
    headers: tuple[tuple[str, str], ...]
    credentials: Credentials


def log_in(config: ClusterConfig, environ: Mapping[str, str]) -> Login:
    """Return what requests to a cluster need; nothing is sent. Reads files: not for the event loop's thread.

    Args:
        config: the cluster and the user.
        environ: for HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.

    Raises:
        ClusterConfigError: a file cannot be read, or the configuration asks for what is not done here.
    """
    cluster, user = config.cluster, config.user
    try:
        _check(cluster, user)
        url = _url(cluster)
        assert url.hostname is not None, "checked"
        proxy = _proxy(cluster, url.geturl(), environ)
        server = Server(
            host=url.hostname,
            port=url.port or PORTS[url.scheme],
            tls=_tls(cluster, user, environ) if url.scheme == "https" else None,
            tls_name=cluster.tls_server_name or url.hostname,
            proxy=proxy,
            proxy_tls=_trusting(environ) if proxy is not None and proxy.scheme == "https" else None,
        )
        return Login(server, url.path.rstrip("/"), _impersonation(user), _credentials(cluster, user))
    except (CredentialsError, ValueError, OSError) as error:
        why = str(error) if not isinstance(error, OSError) else reason(error)
        raise ClusterConfigError(
            f"The context {config.context!r} cannot be used: {why.rstrip('.')}."
        ) from error


def _check(cluster: Cluster, user: User) -> None:
    """Refuse what client-go refuses, and what is known and not done here."""
    if not cluster.server:
        raise ValueError("its cluster has no server")
    authority = cluster.certificate_authority or cluster.certificate_authority_data
    if cluster.insecure_skip_tls_verify and authority:
        raise ValueError("insecure-skip-tls-verify and a certificate-authority exclude each other")
    for name, file, data in (
        ("certificate-authority", cluster.certificate_authority, cluster.certificate_authority_data),
        ("client-certificate", user.client_certificate, user.client_certificate_data),
        ("client-key", user.client_key, user.client_key_data),
    ):
        if file and data:
            raise ValueError(f"{name} and {name}-data are both given; keep one")
    certificate = user.client_certificate or user.client_certificate_data
    if bool(certificate) != bool(user.client_key or user.client_key_data):
        raise ValueError("client-certificate and client-key belong together, and one of them is missing")
    if user.auth_provider is not None:
        raise ValueError("auth-provider was removed from Kubernetes 1.26; use an exec credential plugin")
    ways = {
        "token": user.token or user.token_file,
        "username and password": user.username or user.password,
        "exec": user.exec,
    }
    if len(given := [way for way, value in ways.items() if value]) > 1:
        raise ValueError(f"it has more than one way to log in ({', '.join(given)}); keep one")
    if (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra) and not user.impersonate:
        raise ValueError("as-uid, as-groups and as-user-extra need a user to act as (`as`)")


def _url(cluster: Cluster) -> SplitResult:
    text = cluster.server
    if "://" not in text:
        secure = (
            cluster.certificate_authority
            or cluster.certificate_authority_data
            or cluster.insecure_skip_tls_verify
        )
        text = f"{'https' if secure else 'http'}://{text}"
    url = urlsplit(text)
    if url.scheme not in PORTS or not url.hostname or url.username is not None:
        raise ValueError("its server is not an http or https URL of a host, without a user in it")
    return url


def _proxy(cluster: Cluster, url: str, environ: Mapping[str, str]) -> Proxy | None:
    if not cluster.proxy_url:
        return Proxies(environ).for_url(url)
    try:
        return Proxy.parse(cluster.proxy_url)
    except ValueError as error:
        raise ValueError(f"its proxy-url cannot be used: {error}") from None


def _tls(cluster: Cluster, user: User, environ: Mapping[str, str]) -> ssl.SSLContext:
    authority = _pem(
        "certificate-authority", cluster.certificate_authority, cluster.certificate_authority_data
    )
    if cluster.insecure_skip_tls_verify:
        context = _context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority:
        context = _context()
        with as_file(authority) as path:
            _using("certificate-authority", lambda: context.load_verify_locations(cafile=path))
    else:
        context = _trusting(environ)
    certificate = _pem("client-certificate", user.client_certificate, user.client_certificate_data)
    if certificate:
        key = _pem("client-key", user.client_key, user.client_key_data)
        with as_file(key + b"\n" + certificate) as path:
            # Without a password argument, OpenSSL would ask for one at the terminal.
            _using("client-certificate", lambda: context.load_cert_chain(path, password=""))
    return context


def _trusting(environ: Mapping[str, str]) -> ssl.SSLContext:
    context = _context()
    trust_system(context, environ)
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # As in Go: an intermediate authority can be trusted by itself, and authorities need no key identifiers,
    # which many that clusters made for themselves lack.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _pem(name: str, file: str, data: str) -> bytes:
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except binascii.Error:
            raise ValueError(f"its {name}-data is not base64") from None
    if not file:
        return b""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ValueError(f"its {name} {file!r} cannot be read: {error.strerror}") from None


def _using(name: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise ValueError(f"its {name} cannot be used: {reason(error)}") from None


def _credentials(cluster: Cluster, user: User) -> Credentials:
    if user.token_file:
        return TokenFile(Path(user.token_file), token=user.token)
    if user.token:
        return FixedCredentials(f"Bearer {user.token}")
    if user.exec is not None:
        return ExecCredentials(user.exec, cluster)
    if user.username or user.password:
        secret = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        return FixedCredentials(f"Basic {secret}")
    return FixedCredentials("")


def _impersonation(user: User) -> tuple[tuple[str, str], ...]:
    if not user.impersonate:
        return ()
    return (
        ("Impersonate-User", user.impersonate),
        *((("Impersonate-Uid", user.impersonate_uid),) if user.impersonate_uid else ()),
        *(("Impersonate-Group", group) for group in user.impersonate_groups),
        *(
            (f"Impersonate-Extra-{quote(key, safe=_NAME_CHARACTERS)}", value)
            for key, values in user.impersonate_extra.items()
            for value in values
        ),
    )
