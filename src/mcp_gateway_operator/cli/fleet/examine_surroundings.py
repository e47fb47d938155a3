"""`doctor` on what is around: clocks, proxies, authorities, and other operators."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

from mcp_gateway_operator.api import names
from mcp_gateway_operator.cli.fleet.finding import Finding
from mcp_gateway_operator.cli.fleet.reach import Scope, raw_objects
from mcp_gateway_operator.cli.fleet.view import ago
from mcp_gateway_operator.runtime import kubeconfig as kubeconfigs
from mcp_gateway_operator.runtime.cluster import LEASES, ApiError, Cluster
from mcp_gateway_operator.runtime.lease_record import Record, decode
from mcp_gateway_operator.runtime.lease_record import shown as shown_holder
from mcp_gateway_operator.runtime.login import log_in
from mcp_gateway_operator.shown import shown

FAR: Final = 60.0
"""Seconds that a clock may be off before it is worth a word; AWS takes signatures of 5 minutes."""
SECONDS: Final = 5.0
FRESH: Final = 90.0
"""Seconds since its renewal for which a Lease counts as held, whatever clock wrote it."""
_UNKNOWN: Final = (
    OSError,
    http.client.HTTPException,
    ValueError,
    TypeError,
    kubeconfigs.ClusterConfigError,
)
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
_BUNDLES: Final = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


def clocks(scope: Scope, region: str) -> Iterator[Finding]:
    """Yield how far the clocks of the API server and of AWS are from this one."""
    for what, ask in (("the API server", lambda: cluster_date(scope)), ("AWS", lambda: aws_date(region))):
        yield _clock(what, ask)


def _clock(what: str, ask: Callable[[], str]) -> Finding:
    try:
        there = parsedate_to_datetime(ask())
    except _UNKNOWN as error:
        return Finding(ok=None, what=f"The clock of {what} is not known: {shown(str(error)) or 'no date'}.")
    off = (there - datetime.now(UTC)).total_seconds()
    if abs(off) <= FAR:
        return Finding(ok=True, what=f"The clock of {what} and this machine's agree.")
    return Finding(
        ok=False,
        what=f"The clock of {what} is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's.",
        why="AWS refuses signatures of more than five minutes, and ages and next tries are shown wrongly.",
        do="set this machine's clock by NTP (timedatectl set-ntp true)",
    )


def cluster_date(scope: Scope) -> str:
    """Return the Date header of the API server, which it sends whoever asks."""
    config = kubeconfigs.find(kubeconfig=scope.kubeconfig or None, context=scope.context or None)
    server = log_in(config, os.environ).server
    if server.proxy is not None:
        raise ValueError("it is behind a proxy")
    connection = (
        http.client.HTTPSConnection(server.host, server.port, timeout=SECONDS, context=server.tls)
        if server.tls is not None
        else http.client.HTTPConnection(server.host, server.port, timeout=SECONDS)
    )
    try:
        connection.request("HEAD", "/version")
        return connection.getresponse().headers["Date"]
    finally:
        connection.close()


def aws_date(region: str) -> str:
    """Return the Date header of AWS, which it sends whoever asks; through the proxy, where there is one."""
    url = os.environ.get("AWS_ENDPOINT_URL") or f"https://bedrock-agentcore-control.{region}.amazonaws.com/"
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"AWS_ENDPOINT_URL is not an address: {url}")
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310  -- the scheme was looked at
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS, context=context) as answer:  # noqa: S310  -- as above
            return str(answer.headers["Date"])
    except HTTPError as error:
        return str(error.headers["Date"])


def network() -> Iterator[Finding]:
    """Yield which proxies and authorities the environment names."""
    proxies = [f"{name}={_bare(os.environ[name])}" for name in _PROXIES if os.environ.get(name)]
    yield Finding(
        ok=True,
        what=f"Proxies: {', '.join(proxies)}." if proxies else "No proxy is set here.",
        why="The operator has its own environment: compare it (docs/SETUP.md)." if proxies else "",
    )
    for name in _BUNDLES:
        if (file := os.environ.get(name)) and not Path(file).is_file():
            yield Finding(
                ok=False,
                what=f"{name} names {shown(file)}, which is not a file.",
                why="No certificate can be checked with it, so no call succeeds.",
                do=f"unset {name}, or name a file of PEM certificates",
            )


def _bare(proxy: str) -> str:
    """Return a proxy without the user in it."""
    scheme, separator, rest = proxy.partition("://")
    return shown(f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else proxy.rpartition("@")[2])


async def other_operators(cluster: Cluster) -> list[Finding]:
    """Return who holds the Leases of operators, and whether two installations work at once."""
    held: list[Record] = []
    try:
        for name in (names.LEASE_NAME, names.GUARD_NAME, f"namespace-{names.GUARD_NAME}"):
            held += [decode(raw) async for raw in raw_objects(cluster, LEASES, None, name=name)]
    except ApiError as error:
        return [
            Finding(
                ok=None,
                what=f"Which operators are at work is not known: {shown(error.message)}",
                do="ask for list on leases.coordination.k8s.io",
            )
        ]
    now = datetime.now(UTC)
    fresh = [each for each in held if each.holder and _fresh(each, now)]
    working = [each for each in fresh if each.metadata.name == names.LEASE_NAME]
    whole = [each for each in fresh if each.metadata.name == names.GUARD_NAME]
    single = [each for each in fresh if each.metadata.name.startswith("namespace-")]
    found = [
        Finding(
            ok=bool(working) or None,
            what=_told(working, now) if working else "No operator holds a Lease here now.",
            why="" if working else "Either none runs, or one without the right to Leases.",
            do="" if working else "kubectl get pods -A -l app.kubernetes.io/name=agent-op",
        )
    ]
    if len(working) > 1:
        found.append(_several(working, whole, single))
    return found


def _several(working: list[Record], whole: list[Record], single: list[Record]) -> Finding:
    apart = len(whole) + len(single) >= len(working)
    return Finding(
        ok=True if apart else None,
        what=f"{len(working)} installations run, and {'share the namespaces' if apart else 'may meet'}.",
        why="" if apart else "One of them waits for the other, or both write, where they may hold no guard.",
        do="" if apart else "stop one, or give each its own --watch-namespaces",
    )


def _told(leases: list[Record], now: datetime) -> str:
    holders = []
    for each in leases:
        renewed = ago(each.spec.renew_time or "", now)
        holders.append(f"{shown_holder(each.holder)} in {each.metadata.namespace}, {renewed} ago")
    return f"At work, by its Lease: {', '.join(holders)}."


def _fresh(record: Record, now: datetime) -> bool:
    try:
        renewed = datetime.fromisoformat(record.spec.renew_time or "")
        return abs((now - renewed).total_seconds()) < max(FRESH, record.spec.lease_duration_seconds or 0)
    except (ValueError, TypeError):
        return False
