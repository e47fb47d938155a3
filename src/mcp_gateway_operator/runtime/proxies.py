"""Which proxy a request goes through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as programs in Go read them.

Source: the rules of golang.org/x/net/http/httpproxy, which kubectl and every client-go program follow.
Python's own (`urllib.request`) differ: they know no networks and no ports in NO_PROXY, and proxy loopback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

PORTS: Final = {"http": 80, "https": 443}
"""Those of a URL without one."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; as text it has no user and no password.

    Attributes:
        scheme: `https` when the proxy itself is spoken to over TLS.
        host: its name or address.
        port: its port.
        user: whom it is told; empty for nobody.
        password: its proof.
    """

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Parse a URL, or `host:port`, which means http.

        Raises:
            ValueError: it is neither, or of a kind that is not spoken here; the message is a sentence without
                the password.
        """
        url = text.strip() if "://" in text else f"http://{text.strip()}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme in ("socks5", "socks5h", "socks4"):
            raise ValueError(f"proxies of kind {parts.scheme} are not supported: name an http or https proxy")
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("it is not the address of a proxy, such as http://proxy.example.com:3128")
        return cls(
            parts.scheme,
            parts.hostname,
            port or PORTS[parts.scheme],
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def __str__(self) -> str:
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, with user and password: for libraries, not for people."""
        if not self.user:
            return str(self)
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{self.scheme}://{login}@{_bracketed(self.host)}:{self.port}"


class _Domain(NamedTuple):
    suffix: str
    itself: bool
    port: str


class Proxies:
    """The proxies of an environment.

    Args:
        environ: the variables. Names in capitals come first; empty ones count as absent.

    Raises:
        ValueError: a proxy's address cannot be used; the message is a sentence that names the variable.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._proxies: dict[str, Proxy] = {}
        for scheme in PORTS:
            name = next((name for name in _names(f"{scheme}_proxy") if environ.get(name)), "")
            if name:
                try:
                    self._proxies[scheme] = Proxy.parse(environ[name])
                except ValueError as error:
                    raise ValueError(f"{name} cannot be used: {error}.") from None
        self._all = False
        self._networks: list[Network] = []
        self._addresses: list[tuple[Address, str]] = []
        self._domains: list[_Domain] = []
        listed = next((environ[name] for name in _names("no_proxy") if environ.get(name)), "")
        for entry in listed.split(","):
            self._except(entry.strip().lower())

    def for_url(self, url: str) -> Proxy | None:
        """Return the proxy for requests to a URL, None for a direct connection."""
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme)
        if proxy is None or not parts.hostname:
            return None
        port = str(parts.port or PORTS[parts.scheme])
        return None if self._is_direct(_ascii(parts.hostname), port) else proxy

    def _is_direct(self, host: str, port: str) -> bool:
        address = _address(host)
        if self._all or host == "localhost" or (address is not None and address.is_loopback):
            return True
        if address is not None and (
            any(address in network for network in self._networks)
            or any(address == each and wanted in ("", port) for each, wanted in self._addresses)
        ):
            return True
        return any(
            (host.endswith(each.suffix) or (each.itself and host == each.suffix[1:]))
            and each.port in ("", port)
            for each in self._domains
        )

    def _except(self, entry: str) -> None:
        """Take one entry of NO_PROXY; those without meaning are passed over, as in Go."""
        if entry == "*":
            self._all = True
        elif network := _network(entry):
            self._networks.append(network)
        else:
            host, port = _split(entry)
            if address := _address(host):
                self._addresses.append((address, port))
            elif host:
                host = host.removeprefix("*") if host.startswith("*.") else host
                itself = not host.startswith(".")
                self._domains.append(_Domain(_ascii(f".{host}" if itself else host), itself, port))


def _names(lower: str) -> tuple[str, str]:
    return lower.upper(), lower


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _split(entry: str) -> tuple[str, str]:
    """Take `host:port` or `[address]:port` apart; anything else is a host."""
    host, colon, port = entry.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return (host, port) if colon and ":" not in host else (entry, "")


def _address(host: str) -> Address | None:
    with contextlib.suppress(ValueError):
        return _plain(ip_address(host.partition("%")[0]))
    return None


def _network(entry: str) -> Network | None:
    """Return the network of `address/bits`; an address in front of it need not be the network's own."""
    address, slash, bits = entry.partition("/")
    if not slash or not bits.isdecimal() or not bits.isascii():
        return None
    with contextlib.suppress(ValueError):
        network = ip_network(f"{address}/{bits}", strict=False)
        mapped = _plain(network.network_address)
        if mapped is network.network_address:
            return network
        return ip_network(f"{mapped}/{max(0, int(bits) - 96)}", strict=False)
    return None


def _plain(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, if there is one: they are the same to Go."""
    return getattr(address, "ipv4_mapped", None) or address


def _ascii(host: str) -> str:
    with contextlib.suppress(UnicodeError):
        # The dot in front of a suffix is no label.
        return host if host.isascii() else host[: host[0] == "."] + host.lstrip(".").encode("idna").decode()
    return host
