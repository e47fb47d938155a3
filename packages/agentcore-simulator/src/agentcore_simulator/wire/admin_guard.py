"""Keeps web pages out of the admin API, which asks for no password while any page can send to loopback.

A browser tells the truth about three things that a page cannot change: the name it was told to connect to
(`Host`; a name of the page's own that now leads here is "DNS rebinding"), whose page asks (`Origin`, sent
with every request that is not a GET), and a content type that other sites may not send without being allowed
to (Fetch standard, "CORS-safelisted request headers"). Programs are not in its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from agentcore_simulator.admin import ADMIN_PREFIX
from agentcore_simulator.protocol import ip_address, is_loopback

_JSON = "application/json"
_YAML = "application/yaml"
_SITUATION = f"{ADMIN_PREFIX}situation"
"""The one request whose body may be YAML."""


class Refusal(Exception):  # noqa: N818  -- an answer, not a failure
    """Why a request is not for the admin API, and with which HTTP status that is said."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class AdminGuard:
    """The names and addresses under which the admin API may be called, besides those of loopback."""

    names: frozenset[str] = frozenset()
    any_address: bool = False
    """Whether every IP address will do: an address, unlike a name, cannot be made to lead elsewhere."""

    @classmethod
    def listening(cls, address: str, *names: str) -> Self:
        """The guard of a server that listens on `address` and is also called `names`."""
        ip = ip_address(address)
        everywhere = ip is not None and ip.is_unspecified
        return cls(frozenset(_bare(name) for name in (address, *names)), any_address=everywhere)

    def check(self, method: str, path: str, headers: Iterable[tuple[str, str]], *, has_body: bool) -> None:
        """Let a request for the admin API pass; `headers` have lower-case names, and all values of each.

        Raises:
            Refusal: it could be a web page's.
        """
        given: dict[str, list[str]] = {"host": [], "origin": [], "content-type": []}
        for name, value in headers:
            if name in given:
                given[name].append(value)
        for host in given["host"]:
            if not self._knows(host):
                raise Refusal(
                    HTTPStatus.FORBIDDEN,
                    f"The admin API is not called {host[:100]!r}: use localhost, or start the simulator with "
                    "--admin-host and this name.",
                )
        for origin in given["origin"]:
            scheme, _, host = origin.partition("://")
            if scheme not in {"http", "https"} or not self._knows(host):
                raise Refusal(
                    HTTPStatus.FORBIDDEN,
                    f"The admin API takes no request of a page from elsewhere (Origin {origin[:100]!r}).",
                )
        kinds = {value.partition(";")[0].strip().lower() for value in given["content-type"]}
        allowed = {_JSON, _YAML} if path == _SITUATION else {_JSON}
        if has_body and (not kinds or not kinds <= allowed):
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Send the body of this {method} as JSON (curl: -H 'content-type: {_JSON}').",
            )

    def _knows(self, host: str) -> bool:
        """Whether the value of a Host header, or what follows an Origin's scheme, is one of ours."""
        try:
            name = _bare(urlsplit(f"//{host}").hostname or "")
        except ValueError:
            return False
        if not name or set(host) & set("@/?#\\ \t"):
            return False
        if name == "localhost" or name.endswith(".localhost") or is_loopback(name) or name in self.names:
            return True
        return self.any_address and ip_address(name) is not None


def _bare(name: str) -> str:
    return name.lower().rstrip(".")
