"""The admin API under /_sim/: look at the simulator, change what it holds, and order what goes wrong.

Every answer is JSON. A request that makes no sense gets 400 (or 404) and {"message": what to write instead}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

import msgspec

from agentcore_simulator.admin import other_writers, outside_edits, role_edits, situations, snapshots
from agentcore_simulator.admin.places import Where, find_gateway, find_target
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.plane import Clock, ControlPlane, Gateway, Role, RoleChange, Target
from agentcore_simulator.scenarios import Fault, Scenario, Writer
from agentcore_simulator.settings import Settings, patched

ADMIN_PREFIX = "/_sim/"


class AdminError(Exception):
    """A refused admin request, with its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Admin:
    """The admin API over one plane."""

    def __init__(self, plane: ControlPlane, clock: Clock) -> None:
        self._plane = plane
        self._clock = clock
        self._routes: dict[tuple[str, str], _Handler] = {
            ("GET", "health"): lambda call: {"status": "ok", "time": call.now},
            ("POST", "reset"): self._reset,
            ("GET", "time"): lambda _: self._time(),
            ("POST", "time"): self._move_time,
            ("GET", "snapshot"): lambda _: msgspec.Raw(snapshots.dump_snapshot(plane)),
            ("PUT", "snapshot"): lambda call: snapshots.load_snapshot(plane, call.raw),
            ("GET", "settings"): lambda _: plane.settings,
            ("PUT", "settings"): self._replace_settings,
            ("PATCH", "settings"): self._patch_settings,
            ("GET", "state"): lambda call: outside_edits.dump(plane, call.where),
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._clear_requests,
            ("GET", "counts"): lambda call: plane.journal.counts(call.where.account, call.where.region),
            ("GET", "faults"): lambda _: plane.faults.faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "scenarios"): lambda _: plane.scenarios,
            ("PUT", "scenarios"): self._set_scenarios,
            ("POST", "scenarios"): self._add_scenarios,
            ("DELETE", "scenarios"): lambda _: plane.scenarios.clear(),
            ("GET", "writers"): lambda _: plane.writers,
            ("POST", "writers"): self._add_writers,
            ("DELETE", "writers"): lambda _: plane.writers.clear(),
            ("POST", "situation"): lambda call: situations.apply_situation(
                plane, situations.parse_situation(call.raw), call.now
            ),
            ("GET", "authorize"): self._authorize_link,
            **self._role_routes(),
            **self._gateway_routes(),
            **self._target_routes(),
        }

    def _role_routes(self) -> dict[tuple[str, str], _Handler]:
        plane = self._plane

        def role(call: _AdminCall) -> Role:
            return role_edits.find_role(plane, call.id, call.where.account)

        return {
            ("GET", "roles"): lambda call: role_edits.listed(plane, call.where.account),
            ("POST", "roles"): lambda call: [
                role_edits.make_role(plane, wanted) for wanted in _one_or_more(call.raw, Role)
            ],
            ("PATCH", "roles/*"): lambda call: role_edits.edit_role(plane, role(call), call.body),
            ("DELETE", "roles/*"): lambda call: plane.roles.remove(role(call)),
            ("GET", "role-changes"): lambda _: plane.roles.changes,
            ("POST", "role-changes"): lambda call: [
                role_edits.change_later(plane, change, call.now)
                for change in _one_or_more(call.raw, RoleChange)
            ],
            ("DELETE", "role-changes"): lambda _: plane.roles.changes.clear(),
            ("DELETE", "roles/*/sessions"): lambda call: role_edits.end_sessions(plane, role(call), call.now),
        }

    def _gateway_routes(self) -> dict[tuple[str, str], _Handler]:
        plane, edits = self._plane, outside_edits

        def gateway(call: _AdminCall) -> Gateway:
            return find_gateway(plane, call.id, call.where)

        return {
            ("POST", "gateways"): lambda call: edits.make_gateway(plane, call.body, call.now),
            ("PATCH", "gateways/*"): lambda call: edits.edit_gateway(
                plane, gateway(call), call.body, call.now
            ),
            ("DELETE", "gateways/*"): lambda call: edits.drop_gateway(plane, gateway(call), call.now),
            ("GET", "gateways/*/targets"): lambda call: edits.show_targets(plane, gateway(call)),
            ("POST", "gateways/*/targets"): lambda call: edits.make_target(
                plane, gateway(call), call.body, call.now
            ),
        }

    def _target_routes(self) -> dict[tuple[str, str], _Handler]:
        plane, edits = self._plane, outside_edits

        def target(call: _AdminCall) -> Target:
            return find_target(plane, call.id, call.where)

        return {
            ("GET", "targets/*"): lambda call: edits.show_target(plane, target(call)),
            ("PATCH", "targets/*"): lambda call: edits.edit_target(plane, target(call), call.body, call.now),
            ("DELETE", "targets/*"): lambda call: edits.drop_target(
                plane, target(call), call.now, gradually=call.query.get("mode") == "gradual"
            ),
            ("POST", "targets/*/status"): lambda call: edits.set_status(
                plane, target(call), call.body, call.now
            ),
            ("POST", "targets/*/consent"): lambda call: edits.consent(
                plane, target(call), call.body, call.now
            ),
        }

    def handle(self, request: Request, now: float) -> Response:
        """Answer one admin request."""
        pieces = request.path.removeprefix(ADMIN_PREFIX).strip("/").split("/")
        pattern = "/".join("*" if number == 1 else piece for number, piece in enumerate(pieces))
        try:
            answer = self._route(request.method, pattern)(_AdminCall(request, pieces, now))
        except AdminError as error:
            return _json(error.status, {"message": str(error)})
        except (ValueError, msgspec.MsgspecError) as error:
            return _json(400, {"message": str(error)})
        except LookupError as error:
            return _json(404, {"message": str(error.args[0])})
        if isinstance(answer, Response):
            return answer
        return _json(200, {} if answer is None else answer)

    def _route(self, method: str, pattern: str) -> _Handler:
        try:
            return self._routes[method, pattern]
        except KeyError:
            raise AdminError(f"No admin request is {method} {ADMIN_PREFIX}{pattern}", 404) from None

    def _reset(self, _: _AdminCall) -> None:
        self._clock.reset()
        self._plane.reset()

    def _time(self) -> dict[str, Any]:
        return {"time": self._clock(), "frozen": self._clock.frozen}

    def _move_time(self, call: _AdminCall) -> Any:
        change = msgspec.json.decode(call.raw or b"{}", type=_TimeChange)
        if change.frozen is True:
            self._clock.freeze()
        self._clock.advance(change.advance)
        if change.frozen is False:
            self._clock.resume()
        self._plane.timeline.advance(self._clock())
        return self._time()

    def _replace_settings(self, call: _AdminCall) -> Any:
        self._plane.settings = msgspec.json.decode(call.raw, type=Settings)
        self._plane.journal.resize(self._plane.settings.log_size)
        return self._plane.settings

    def _patch_settings(self, call: _AdminCall) -> Any:
        self._plane.settings = patched(self._plane.settings, call.body)
        self._plane.journal.resize(self._plane.settings.log_size)
        return self._plane.settings

    def _requests(self, call: _AdminCall) -> Any:
        filters = dict(call.query)
        since = float(filters.pop("since", 0.0))
        limit = int(filters.pop("limit", 0))
        return {"requests": self._plane.journal.find(filters, since=since, limit=limit or None)}

    def _clear_requests(self, _: _AdminCall) -> None:
        self._plane.journal.clear()

    def _add_faults(self, call: _AdminCall) -> Any:
        self._plane.faults.faults.extend(_one_or_more(call.raw, Fault))
        return self._plane.faults.faults

    def _clear_faults(self, _: _AdminCall) -> None:
        self._plane.faults.faults.clear()

    def _set_scenarios(self, call: _AdminCall) -> Any:
        self._plane.scenarios[:] = _one_or_more(call.raw, Scenario)
        return self._plane.scenarios

    def _add_scenarios(self, call: _AdminCall) -> Any:
        # The latest goes first: what a test adds overrides what was there.
        self._plane.scenarios[:0] = _one_or_more(call.raw, Scenario)
        return self._plane.scenarios

    def _add_writers(self, call: _AdminCall) -> Any:
        for writer in _one_or_more(call.raw, Writer):
            other_writers.start(self._plane, writer, call.now)
        return self._plane.writers

    def _authorize_link(self, call: _AdminCall) -> Response:
        uri = call.query.get("request_uri", "")
        target = outside_edits.waiting_for(self._plane, uri)
        if target is None:
            raise AdminError("This authorization does not exist, is complete, or has expired.", 404)
        outside_edits.consent(self._plane, target, {"approve": True}, call.now)
        page = f"<!doctype html><title>Authorized</title><p>Target {target.name} is authorized.</p>"
        return Response(200, {"content-type": "text/html; charset=utf-8"}, page.encode())


class _TimeChange(msgspec.Struct, forbid_unknown_fields=True):
    frozen: bool | None = None
    advance: float = 0.0


class _AdminCall:
    def __init__(self, request: Request, pieces: list[str], now: float) -> None:
        self.now = now
        self.id = unquote(pieces[1]) if len(pieces) > 1 else ""
        self.query = {name: values[0] for name, values in parse_qs(request.query).items()}
        self.where = Where(self.query.get("account"), self.query.get("region"), self.query.get("gateway"))
        self.raw = request.body

    @property
    def body(self) -> dict[str, Any]:
        return msgspec.json.decode(self.raw or b"{}", type=dict[str, Any])


_Handler: TypeAlias = "Callable[[_AdminCall], Any]"


def _one_or_more(raw: bytes, kind: Any) -> Any:
    return (
        msgspec.json.decode(raw, type=list[kind])
        if raw.lstrip()[:1] == b"["
        else [msgspec.json.decode(raw, type=kind)]
    )


def _json(status: int, body: Any) -> Response:
    return Response(status, {"content-type": "application/json"}, msgspec.json.encode(body))
