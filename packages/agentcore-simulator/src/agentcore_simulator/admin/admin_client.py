"""A client of the admin API, over HTTP or straight into an engine of this process."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any, Protocol, Self
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from agentcore_simulator.messages import Request, Response
from agentcore_simulator.settings import Settings

_PREFIX = "/_sim/"


class AdminRefusedError(ValueError):
    """The admin API refused a request; the message says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Engine(Protocol):
    """What answers requests in this process."""

    def handle(self, request: Request) -> Response: ...


class AdminClient:
    """The admin API as methods; answers are plain JSON values.

    Every method raises AdminRefusedError for a request that the simulator refuses.
    """

    def __init__(self, transport: Callable[[str, str, bytes], tuple[int, bytes]]) -> None:
        self._transport = transport

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

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send any admin request; `path` is relative to /_sim/."""
        given = {name: value for name, value in query.items() if value is not None}
        suffix = f"?{urlencode(given)}" if given else ""
        raw = b"" if body is None else msgspec.json.encode(body)
        status, answer = self._transport(method, f"{_PREFIX}{path}{suffix}", raw)
        decoded: Any = msgspec.json.decode(answer) if answer else None
        if status >= http.client.BAD_REQUEST:
            raise AdminRefusedError(decoded["message"], status)
        return decoded

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

    def state(self, gateway: str | None = None) -> Any:
        """All gateways with their targets as Get answers them, or one gateway."""
        return self.call("GET", "state", gateway=gateway)

    def targets(self, gateway: str) -> list[Any]:
        """The targets of one gateway, as Get answers them."""
        found = self.state(gateway)["gateways"]
        return list(found[0]["targets"]) if found else []

    def requests(self, **filters: Any) -> list[Any]:
        """The request log, oldest first.

        Filters are members of an entry (`operation`, `gateway`, `target`, `name`, `status`, `error`, ...),
        `since` (epoch seconds) and `limit` (the last that many).
        """
        return list(self.call("GET", "requests", **filters)["requests"])

    def clear_requests(self) -> None:
        """Forget the request log and the counts."""
        self.call("DELETE", "requests")

    def counts(self) -> Any:
        """`{"operations": {name: n}, "errors": {code: n}, "targets": {target id: {name: n}}}`."""
        return self.call("GET", "counts")

    def add_fault(self, **fault: Any) -> None:
        """Order a fault, such as `add_fault(operation="GetGateway", kind="close", commit=True)`."""
        self.call("POST", "faults", fault)

    def faults(self) -> list[Any]:
        """The faults that still wait for their calls."""
        return list(self.call("GET", "faults"))

    def clear_faults(self) -> None:
        """Drop all faults."""
        self.call("DELETE", "faults")

    def add_scenario(self, **scenario: Any) -> None:
        """Put a scenario before the others, for example `add_scenario(name="slow-*", outcome="failed")`."""
        self.call("POST", "scenarios", scenario)

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

    def create_gateway(self, gateway_id: str, **members: Any) -> Any:
        """Make a READY gateway; members: `name`, `account`, `region`, `authorizerType`, `policyEngine`."""
        return self.call("POST", "gateways", {"gatewayId": gateway_id, **members})

    def edit_gateway(self, gateway_id: str, **members: Any) -> Any:
        """Change a gateway from outside; members: `policyEngine`, `status`, `statusReasons`."""
        return self.call("PATCH", f"gateways/{quote(gateway_id, safe='')}", members)

    def delete_gateway(self, gateway_id: str) -> None:
        """Remove a gateway and its targets at once."""
        self.call("DELETE", f"gateways/{quote(gateway_id, safe='')}")

    def create_target(self, gateway_id: str, **members: Any) -> Any:
        """Make a READY target from outside; members are those of CreateGatewayTarget."""
        return self.call("POST", f"gateways/{quote(gateway_id, safe='')}/targets", members)

    def target(self, target_id: str) -> Any:
        """A target as Get answers it."""
        return self.call("GET", f"targets/{quote(target_id, safe='')}")

    def edit_target(self, target_id: str, *, touch: bool = True, **members: Any) -> Any:
        """Merge members into a target from outside (None removes one); `touch` moves its updatedAt."""
        return self.call("PATCH", f"targets/{quote(target_id, safe='')}", {**members, "touch": touch})

    def delete_target(self, target_id: str, *, gradually: bool = False) -> None:
        """Delete a target from outside: at once, or through DELETING."""
        mode = "gradual" if gradually else None
        self.call("DELETE", f"targets/{quote(target_id, safe='')}", mode=mode)

    def set_status(self, target_id: str, status: str, reasons: list[str] | None = None) -> Any:
        """Force a target's status and statusReasons."""
        body = {"status": status, "reasons": reasons or []}
        return self.call("POST", f"targets/{quote(target_id, safe='')}/status", body)

    def consent(self, target_id: str, *, approve: bool = True) -> Any:
        """Complete, or refuse, the authorization that a target waits for."""
        return self.call("POST", f"targets/{quote(target_id, safe='')}/consent", {"approve": approve})
