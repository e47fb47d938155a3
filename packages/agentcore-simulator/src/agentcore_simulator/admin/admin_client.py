"""A client of the admin API, over HTTP or straight into an engine of this process."""

from __future__ import annotations

import http.client
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from agentcore_simulator.admin.place import Place
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.settings import Settings


class _Engine(Protocol):
    """What answers requests in this process."""

    def handle(self, request: Request) -> Response: ...


class AdminClient(Place):
    """The admin API as methods; answers are plain JSON values.

    What it shares with `account(...)` is here about all accounts and Regions; what it makes is in the account
    and Region of the settings, unless told otherwise. Every method raises AdminRefusedError for a request
    that the simulator refuses.
    """

    @classmethod
    def over_http(cls, url: str) -> Self:
        """A client of the simulator at `url` (what AWS_ENDPOINT_URL says). A connection for each request."""
        address = urlsplit(url)

        def transport(method: str, path: str, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
            try:
                connection.request(method, path, body or None, {"content-type": "application/json"})
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        return cls(transport)

    @classmethod
    def in_process(cls, engine: _Engine) -> Self:
        """A client of an engine of this process."""

        def transport(method: str, path: str, body: bytes) -> tuple[int, bytes]:
            address, _, query = path.partition("?")
            answer = engine.handle(Request(method, address, query, {}, body))
            return answer.status, answer.body

        return cls(transport)

    def account(self, account: str, region: str | None = None) -> Place:
        """One account, in one Region or (for what can be asked of several) in all.

        `simulator.account("222222222222", "eu-west-1").create_gateway("tools-abcdefghij")`
        """
        return Place(self._transport, {"account": account, **({"region": region} if region else {})})

    def health(self) -> Any:
        """`{"status": "ok", "time": epoch seconds}`."""
        return self.call("GET", "health")

    def reset(self) -> None:
        """Back to an empty control plane and to real time; settings stay, gateways do not."""
        self.call("POST", "reset")

    def time(self) -> float:
        """The simulator's time in epoch seconds."""
        return float(self.call("GET", "time")["time"])

    def freeze(self) -> None:
        """Stop the simulator's time; `advance` moves it from now on."""
        self.call("POST", "time", {"frozen": True})

    def advance(self, seconds: float) -> None:
        """Move the simulator's time on; what becomes due happens now."""
        self.call("POST", "time", {"advance": seconds})

    def resume(self) -> None:
        """Let the simulator's time run again, from where it stands."""
        self.call("POST", "time", {"frozen": False})

    def snapshot(self) -> Any:
        """The whole state, to be given to `restore`; settings and the request log are not part of it."""
        return self.call("GET", "snapshot")

    def restore(self, snapshot: Any) -> None:
        """Replace the whole state."""
        self.call("PUT", "snapshot", snapshot)

    def settings(self) -> Any:
        """All settings."""
        return self.call("GET", "settings")

    def replace_settings(self, settings: Settings) -> None:
        """Put other settings in place of all."""
        self.call("PUT", "settings", settings)

    def configure(self, **changes: Any) -> Any:
        """Merge changes into the settings: `configure(switches={"transient_writes": "accept"})`."""
        return self.call("PATCH", "settings", changes)

    def clear_requests(self) -> None:
        """Forget the request log and the counts."""
        self.call("DELETE", "requests")

    def faults(self) -> list[Any]:
        """The faults that still wait for their calls."""
        return list(self.call("GET", "faults"))

    def clear_faults(self) -> None:
        """Drop all faults."""
        self.call("DELETE", "faults")

    def set_scenarios(self, scenarios: list[dict[str, Any]]) -> None:
        """Replace all scenarios."""
        self.call("PUT", "scenarios", scenarios)

    def add_writer(self, **writer: Any) -> None:
        """Let somebody else keep editing, such as `add_writer(every=30, edit={"description": "mine"})`."""
        self.call("POST", "writers", writer)

    def clear_writers(self) -> None:
        """Stop all other writers."""
        self.call("DELETE", "writers")

    def apply(self, **situation: Any) -> None:
        """Apply a whole situation: settings, gateways, targets, scenarios, faults, writers."""
        self.call("POST", "situation", situation)
