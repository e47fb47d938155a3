"""What an endpoint may look like, and which endpoints AWS can never reach.

The rules are RFC 3986 with what a host name needs (RFC 1123) and what AWS asks for: https, no user, no
fragment. Each is about one mistake and holds where another rule speaks, so that one mistake is one sentence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from mcp_gateway_operator.api.rules import lacks
from mcp_gateway_operator.api.schema import Rule

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_H16 = "[0-9A-Fa-f]{1,4}"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}([.]{_OCTET}){{3}}"
_LS32 = f"({_H16}:{_H16}|{_IPV4})"
_IPV6 = "|".join(
    (
        f"({_H16}:){{6}}{_LS32}",
        *(
            f"{f'(({_H16}:){{0,{before}}}{_H16})?' if before else f'({_H16})?'}::({_H16}:){{{behind}}}{_LS32}"
            for before, behind in ((0, 4), (1, 3), (2, 2), (3, 1), (4, 0))
        ),
        f"::({_H16}:){{5}}{_LS32}",
        f"(({_H16}:){{0,5}}{_H16})?::{_H16}",
        f"(({_H16}:){{0,6}}{_H16})?::",
    )
)
_LABEL = "[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
_NAME = rf"{_LABEL}([.]{_LABEL})*[.]?"
_USER = "([^/?#]*@)?"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SOME_HOST = r"(\[[^\]/?#]*\]|[^:/?#\[\]@]*)"
_END = "([/?#]|$)"
# Printable ASCII without " < > \ ^ ` { | }, which no URL may hold.
_PLAIN = r"https://[!#-;=?-\[\]_a-z~]*"


def _unless(pattern: str, needed: str, message: str) -> Rule:
    """Return the rule that a plain URL which begins like `pattern` also begins like `needed`."""
    plain, given, right = (re.compile(each, re.ASCII) for each in (_PLAIN, pattern, needed))
    return Rule(
        cel=f"!self.matches(r'^{_PLAIN}$') || !self.matches(r'^{pattern}') || self.matches(r'^{needed}')",
        message=message,
        holds=lambda text: (
            given.match(text) is None or right.match(text) is not None or plain.fullmatch(text) is None
        ),
    )


ENDPOINT: Final = (
    Rule(
        cel="self.startsWith('https://')",
        message="endpoint must begin with https:// (AgentCore calls MCP servers over TLS only): write for"
        " example https://mcp.example.com/mcp",
        holds=lambda text: text.startswith("https://"),
    ),
    lacks(
        r"[\t\n\x0b\f\r ]",
        "endpoint must not contain white space: remove it, or write a space as %20",
    ),
    lacks(
        r'["<>\\^`{|}]',
        'endpoint must not contain any of " < > { } | ^ ` and backslash: fill in what is a placeholder, and'
        " write what belongs to the URL percent-encoded, for example { as %7B",
    ),
    lacks(
        r"[^\t\n\x0b\f\r -~]",
        "endpoint must be written in ASCII: remove invisible characters, write an international host name in"
        " its A-form (xn--bcher-kva.example for bücher.example), and the rest percent-encoded",
    ),
    _unless(
        "https://",
        rf"https://{_USER}({_NAME}|\[({_IPV6})\])(:[^/?#]*)?{_END}",
        "endpoint must name a host after https://, in labels of letters, digits and hyphens with single dots"
        " between them, or as an IP address (IPv6 in brackets): write for example"
        " https://mcp.example.com/mcp",
    ),
    _unless(
        rf"https://{_USER}([^/?#:@\[\]]*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)[.]?(:[^/?#]*)?{_END}",
        rf"https://{_USER}{_IPV4}(:[^/?#]*)?{_END}",
        "endpoint must not have a host that ends in a number, unless it is an IPv4 address of four numbers"
        " from 0 to 255: write for example https://mcp.example.com/mcp",
    ),
    _unless(
        rf"https://{_USER}[^/?#:@\[\]]{{253}}([^/?#:@\[\].]|[.][^/?#:@\[\]])",
        "https://$",
        "endpoint must have a host of at most 253 characters: shorten it",
    ),
    _unless(
        rf"https://{_USER}{_SOME_HOST}:[^/?#@]*{_END}",
        rf"https://{_USER}{_SOME_HOST}:{_PORT}{_END}",
        "endpoint must have a port from 1 to 65535 after the host's ':', or neither: write for example"
        " https://mcp.example.com:8443/mcp",
    ),
    lacks(
        r"%([^0-9A-Fa-f]|$|[0-9A-Fa-f]([^0-9A-Fa-f]|$))",
        "endpoint must have two hexadecimal digits after each %: write a percent sign itself as %25",
    ),
    lacks(
        r"^https://[^/?#]*@",
        "endpoint must not contain a user name or password: remove everything from after https:// up to"
        " '@' and give credentials through authType",
    ),
    lacks("#", "endpoint must not have a fragment: remove '#' and what follows it"),
)

_INSIDE: Final = (
    *(
        "localhost",
        "cluster.local",
        "localdomain",
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
    ),
    *("svc", "test", "invalid", "example", "onion", "home.arpa"),
)
"""Ends of names that no public DNS answers: Kubernetes' own, and those reserved (RFC 6761, 6762, 8375)."""
_SEPARATOR = "(?::|%3[Aa])"
_ARN: Final = re.compile(
    rf"arn{_SEPARATOR}(?:(?!{_SEPARATOR})[^/])*{_SEPARATOR}(?:(?!{_SEPARATOR})[^/])*{_SEPARATOR}"
    rf"[a-z0-9-]*{_SEPARATOR}[0-9]*{_SEPARATOR}"
    r"[^/]+(?:/(?!invocations)[^/]+)?(?:/runtime-endpoint/[^/]+)?"
)
_SECRETS: Final = frozenset(
    (
        *("key", "apikey", "accesskey", "token", "secret", "password", "passwd", "pwd", "auth", "code"),
        *("authorization", "sig", "signature", "credential", "credentials", "creds", "jwt", "bearer", "pat"),
        *("passphrase", "hmac", "otp", "cookie", "session", "sessionid"),
    )
)
"""Words in the name of a query parameter whose value is most likely a secret."""
_ENDS: Final = (
    *("apikey", "accesskey", "secretkey", "authkey", "appkey", "userkey", "clientkey", "privatekey"),
    *("masterkey", "subscriptionkey", "token", "secret", "password", "passphrase", "signature"),
)
"""The same, where the words of a name run together."""
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def doubts(endpoint: str, *, private: bool) -> Iterator[str]:
    """Yield why AWS will most likely not reach a legal endpoint, as phrases that say what to do.

    Args:
        endpoint: the address.
        private: whether AWS reaches it through VPC Lattice.
    """
    if not private and (why := unreachable(endpoint)):
        yield (
            f"AWS calls the endpoint over the internet and never reaches this one: {why}; give the server a"
            " public address, or write privateEndpoint"
        )
    written, encoded = raw_arn(endpoint)
    if written:
        yield f"percent-encode the ARN in the endpoint's path: write {encoded} instead of {written}"


def unreachable(endpoint: str) -> str:
    """Return why AWS can never reach a legal endpoint over the internet, "" where it may."""
    host = _host(endpoint)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if "." not in host:
            return f"{host} is a name of one label, which only your own network knows" if host else ""
        end = next((each for each in _INSIDE if host.endswith(f".{each}")), "")
        return f"{host} ends in .{end}, which no public DNS knows" if end else ""
    meant = _meant(address)
    site_local = isinstance(meant, ipaddress.IPv6Address) and meant.is_site_local
    if meant.is_global and not meant.is_multicast and not site_local:
        return ""
    return f"{host} is {_kind(meant)} address"


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")


def _meant(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if short := address.ipv4_mapped or address.sixtofour:
        return short
    if address.is_global and (address in _NAT64 or address in _COMPATIBLE):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address


def _kind(address: _Address) -> str:
    if address.is_loopback:
        return "a loopback"
    if address.is_link_local:
        return "a link-local"
    return "a private or reserved" if address.is_private else "no public"


def _host(endpoint: str) -> str:
    try:
        return (urlsplit(endpoint).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def raw_arn(endpoint: str) -> tuple[str, str]:
    """Return an ARN that stands in the path as it is, and its encoded form; two empty texts for none."""
    try:
        path = urlsplit(endpoint).path
    except ValueError:
        return "", ""
    found = _ARN.search(path)
    if found is None:
        return "", ""
    encoded = quote(unquote(found[0]), safe="")
    return ("", "") if encoded.lower() == found[0].lower() else (found[0], encoded)


def secret_parameters(endpoint: str) -> list[str]:
    """Return the names of those query parameters of an endpoint that look like a secret."""
    try:
        query = urlsplit(endpoint).query
    except ValueError:
        return []
    names = [unquote(part.partition("=")[0]) for part in query.split("&") if "=" in part]
    return [name for name in names if _names_a_secret(name)]


def _names_a_secret(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(_SECRETS & words) or any(word.endswith(_ENDS) for word in words)
