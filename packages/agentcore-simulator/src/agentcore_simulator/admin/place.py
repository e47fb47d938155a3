"""The admin API, seen from one account and Region (or all of them): gateways, targets, roles, the log."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

_PREFIX = "/_sim/"

Transport = Callable[[str, str, bytes], tuple[int, bytes]]
"""Sends method, path and body to the simulator; returns status and body."""


class AdminRefusedError(ValueError):
    """The admin API refused a request; the message says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Place:
    """What can be done in an account and Region; answers are plain JSON values.

    Every method raises AdminRefusedError for a request that the simulator refuses.
    """

    def __init__(self, transport: Transport, where: Mapping[str, str] | None = None) -> None:
        self._transport = transport
        self._where = dict(where or {})

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

    def _here(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self.call(method, path, body, **{**self._where, **query})

    # -- what there is --------------------------------------------------------------------------------

    def state(self, gateway: str | None = None) -> Any:
        """All gateways with their targets as Get answers them, or those of one id."""
        return self._here("GET", "state", gateway=gateway)

    def targets(self, gateway: str) -> list[Any]:
        """The targets of one gateway, as Get answers them; none where there is no such gateway."""
        try:
            return list(self._here("GET", f"gateways/{quote(gateway, safe='')}/targets"))
        except AdminRefusedError as error:
            if error.status == http.client.NOT_FOUND:
                return []
            raise

    def requests(self, **filters: Any) -> list[Any]:
        """The request log, oldest first.

        Filters are members of an entry (`operation`, `gateway`, `target`, `name`, `status`, `error`,
        `account`, `region`, `role`, `session`, ...), `since` (epoch seconds) and `limit` (the last of them).
        """
        return list(self._here("GET", "requests", **filters)["requests"])

    def counts(self) -> Any:
        """`{"operations": {name: n}, "errors": {code: n}, "targets": {target id: {name: n}}}`."""
        return self._here("GET", "counts")

    def add_fault(self, **fault: Any) -> None:
        """Order a fault, such as `add_fault(operation="GetGateway", kind="close", commit=True)`."""
        self.call("POST", "faults", {**self._where, **fault})

    def add_scenario(self, **scenario: Any) -> None:
        """Put a scenario before the others, for example `add_scenario(name="slow-*", outcome="failed")`."""
        self.call("POST", "scenarios", {**self._where, **scenario})

    # -- gateways -------------------------------------------------------------------------------------

    def create_gateway(self, gateway_id: str, **members: Any) -> Any:
        """Make a READY gateway; members: `name`, `account`, `region`, `authorizerType`, `policyEngine`."""
        return self.call("POST", "gateways", {"gatewayId": gateway_id, **self._where, **members})

    def edit_gateway(self, gateway_id: str, **members: Any) -> Any:
        """Change a gateway from outside; members: `policyEngine`, `status`, `statusReasons`."""
        return self._here("PATCH", f"gateways/{quote(gateway_id, safe='')}", members)

    def delete_gateway(self, gateway_id: str) -> None:
        """Remove a gateway and its targets at once."""
        self._here("DELETE", f"gateways/{quote(gateway_id, safe='')}")

    # -- targets --------------------------------------------------------------------------------------

    def create_target(self, gateway_id: str, **members: Any) -> Any:
        """Make a READY target from outside; members are those of CreateGatewayTarget, and `targetId`."""
        return self._here("POST", f"gateways/{quote(gateway_id, safe='')}/targets", members)

    def target(self, target_id: str, *, gateway: str | None = None) -> Any:
        """A target as Get answers it; `gateway` (its id) matters where two have a target of that id."""
        return self._here("GET", f"targets/{quote(target_id, safe='')}", gateway=gateway)

    def edit_target(
        self, target_id: str, *, gateway: str | None = None, touch: bool = True, **members: Any
    ) -> Any:
        """Merge members into a target from outside (None removes one); `touch` moves its updatedAt."""
        path = f"targets/{quote(target_id, safe='')}"
        return self._here("PATCH", path, {**members, "touch": touch}, gateway=gateway)

    def delete_target(self, target_id: str, *, gateway: str | None = None, gradually: bool = False) -> None:
        """Delete a target from outside: at once, or through DELETING."""
        mode = "gradual" if gradually else None
        self._here("DELETE", f"targets/{quote(target_id, safe='')}", gateway=gateway, mode=mode)

    def set_status(
        self,
        target_id: str,
        status: str,
        reasons: list[str] | None = None,
        *,
        gateway: str | None = None,
    ) -> Any:
        """Force a target's status and statusReasons."""
        body = {"status": status, "reasons": reasons or []}
        return self._here("POST", f"targets/{quote(target_id, safe='')}/status", body, gateway=gateway)

    def consent(self, target_id: str, *, gateway: str | None = None, approve: bool = True) -> Any:
        """Complete, or refuse, the authorization that a target waits for."""
        path = f"targets/{quote(target_id, safe='')}/consent"
        return self._here("POST", path, {"approve": approve}, gateway=gateway)

    # -- roles, which an account has in all Regions --------------------------------------------------

    def add_role(self, name: str, **members: Any) -> Any:
        """Make a role, or replace the one of that name.

        Members: `trust`, `external_id`, `session_tags`, `tag_keys`, `allow`, `deny`, `denied`, `max_session`,
        `session_seconds`, `account`. From the first one on, its account has only roles that were made.
        """
        body = {"name": name, **self._account(), **members}
        return self.call("POST", "roles", body)[0]

    def edit_role(self, name: str, **members: Any) -> Any:
        """Replace members of a role, from the next request on: `edit_role("mcp-targets", denied=True)`."""
        return self.call("PATCH", f"roles/{quote(name, safe='')}", members, **self._account())

    def delete_role(self, name: str) -> None:
        """Delete a role: nobody can assume it, and its sessions are invalid."""
        self.call("DELETE", f"roles/{quote(name, safe='')}", **self._account())

    def end_sessions(self, name: str) -> int:
        """Let the running sessions of a role expire now; says how many those were."""
        answer = self.call("DELETE", f"roles/{quote(name, safe='')}/sessions", **self._account())
        return int(answer["ended"])

    def change_role_later(
        self,
        name: str,
        seconds: float,
        *,
        end_sessions: bool = False,
        delete: bool = False,
        **members: Any,
    ) -> None:
        """Edit a role, end its sessions or delete it in so many seconds."""
        change = {"after": seconds, "edit": members, "end_sessions": end_sessions, "delete": delete}
        self.call("POST", "role-changes", {"name": name, **self._account(), **change})

    def roles(self) -> list[Any]:
        """The roles that were made."""
        return list(self.call("GET", "roles", **self._account()))

    def _account(self) -> dict[str, str]:
        return {key: value for key, value in self._where.items() if key == "account"}
