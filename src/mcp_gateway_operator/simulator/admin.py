"""The admin API under /_sim/: look at the simulator, change what it holds, and order what goes wrong.

Every answer is JSON. A request that makes no sense gets 400 (or 404) and {"message": what to write instead}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from . import admin_edits, persistence, scenario_file, writers
from .faults import Fault
from .messages import Response
from .scenarios import Scenario
from .settings import Settings, patched
from .writers import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .messages import Request
    from .world import World

ADMIN_PREFIX = "/_sim/"


class AdminError(Exception):
    """A refused admin request, with its HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Admin:
    """The admin API over one world."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._routes: dict[tuple[str, str], Callable[[_AdminCall], Any]] = {
            ("GET", "health"): lambda call: {"status": "ok", "time": call.now},
            ("POST", "reset"): self._reset,
            ("GET", "time"): lambda _: self._time(),
            ("POST", "time"): self._move_time,
            ("GET", "snapshot"): lambda _: msgspec.Raw(persistence.dump(world)),
            ("PUT", "snapshot"): lambda call: persistence.load(world, call.raw),
            ("GET", "settings"): lambda _: world.settings,
            ("PUT", "settings"): self._replace_settings,
            ("PATCH", "settings"): self._patch_settings,
            ("GET", "state"): lambda call: admin_edits.dump(world, call.query.get("gateway")),
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._clear_requests,
            ("GET", "counts"): lambda _: world.journal.counts(),
            ("GET", "faults"): lambda _: world.faults.faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "scenarios"): lambda _: world.scenarios,
            ("PUT", "scenarios"): self._set_scenarios,
            ("POST", "scenarios"): self._add_scenarios,
            ("DELETE", "scenarios"): lambda _: world.scenarios.clear(),
            ("GET", "writers"): lambda _: world.writers,
            ("POST", "writers"): self._add_writers,
            ("DELETE", "writers"): lambda _: world.writers.clear(),
            ("POST", "situation"): lambda call: scenario_file.apply(
                world, scenario_file.parse(call.raw), call.now
            ),
            ("GET", "authorize"): self._authorize_link,
            ("POST", "gateways"): lambda call: admin_edits.make_gateway(world, call.body, call.now),
            ("PATCH", "gateways/*"): lambda call: admin_edits.edit_gateway(
                world, call.id, call.body, call.now
            ),
            ("DELETE", "gateways/*"): lambda call: admin_edits.drop_gateway(world, call.id, call.now),
            ("POST", "gateways/*/targets"): lambda call: admin_edits.make_target(
                world, call.id, call.body, call.now
            ),
            ("GET", "targets/*"): lambda call: admin_edits.show_target(world, call.id),
            ("PATCH", "targets/*"): lambda call: admin_edits.edit_target(world, call.id, call.body, call.now),
            ("DELETE", "targets/*"): lambda call: admin_edits.drop_target(
                world, call.id, call.now, gradually=call.query.get("mode") == "gradual"
            ),
            ("POST", "targets/*/status"): lambda call: admin_edits.set_status(
                world, call.id, call.body, call.now
            ),
            ("POST", "targets/*/consent"): lambda call: admin_edits.consent(
                world, call.id, call.body, call.now
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

    def _route(self, method: str, pattern: str) -> Callable[[_AdminCall], Any]:
        try:
            return self._routes[method, pattern]
        except KeyError:
            raise AdminError(f"No admin request is {method} {ADMIN_PREFIX}{pattern}", 404) from None

    def _reset(self, _: _AdminCall) -> None:
        self._clock.reset()
        self._world.reset()

    def _time(self) -> dict[str, Any]:
        return {"time": self._clock(), "frozen": self._clock.frozen}

    def _move_time(self, call: _AdminCall) -> Any:
        change = msgspec.json.decode(call.raw or b"{}", type=_TimeChange)
        if change.frozen is True:
            self._clock.freeze()
        self._clock.advance(change.advance)
        if change.frozen is False:
            self._clock.resume()
        self._world.timeline.advance(self._clock())
        return self._time()

    def _replace_settings(self, call: _AdminCall) -> Any:
        self._world.settings = msgspec.json.decode(call.raw, type=Settings)
        self._world.journal.resize(self._world.settings.log_size)
        return self._world.settings

    def _patch_settings(self, call: _AdminCall) -> Any:
        self._world.settings = patched(self._world.settings, call.body)
        self._world.journal.resize(self._world.settings.log_size)
        return self._world.settings

    def _requests(self, call: _AdminCall) -> Any:
        filters = dict(call.query)
        since = float(filters.pop("since", 0.0))
        limit = int(filters.pop("limit", 0))
        return {"requests": self._world.journal.find(filters, since=since, limit=limit or None)}

    def _clear_requests(self, _: _AdminCall) -> None:
        self._world.journal.clear()

    def _add_faults(self, call: _AdminCall) -> Any:
        self._world.faults.faults.extend(_one_or_more(call.raw, Fault))
        return self._world.faults.faults

    def _clear_faults(self, _: _AdminCall) -> None:
        self._world.faults.faults.clear()

    def _set_scenarios(self, call: _AdminCall) -> Any:
        self._world.scenarios[:] = _one_or_more(call.raw, Scenario)
        return self._world.scenarios

    def _add_scenarios(self, call: _AdminCall) -> Any:
        # The latest goes first: what a test adds overrides what was there.
        self._world.scenarios[:0] = _one_or_more(call.raw, Scenario)
        return self._world.scenarios

    def _add_writers(self, call: _AdminCall) -> Any:
        for writer in _one_or_more(call.raw, Writer):
            writers.start(self._world, writer, call.now)
        return self._world.writers

    def _authorize_link(self, call: _AdminCall) -> Response:
        uri = call.query.get("request_uri", "")
        target = admin_edits.waiting_for(self._world, uri)
        if target is None:
            raise AdminError("This authorization does not exist, is complete, or has expired.", 404)
        admin_edits.consent(self._world, target.id, {"approve": True}, call.now)
        page = f"<!doctype html><title>Authorized</title><p>Target {target.name} is authorized.</p>"
        return Response(200, {"content-type": "text/html; charset=utf-8"}, page.encode())


class _TimeChange(msgspec.Struct, forbid_unknown_fields=True):
    frozen: bool | None = None
    advance: float = 0.0


class _AdminCall:
    def __init__(self, request: Request, pieces: list[str], now: float) -> None:
        self.now = now
        self.id = pieces[1] if len(pieces) > 1 else ""
        self.query = {name: values[0] for name, values in parse_qs(request.query).items()}
        self.raw = request.body

    @property
    def body(self) -> dict[str, Any]:
        return msgspec.json.decode(self.raw or b"{}", type=dict[str, Any])


def _one_or_more(raw: bytes, kind: Any) -> Any:
    return (
        msgspec.json.decode(raw, type=list[kind])
        if raw.lstrip()[:1] == b"["
        else [msgspec.json.decode(raw, type=kind)]
    )


def _json(status: int, body: Any) -> Response:
    return Response(status, {"content-type": "application/json"}, msgspec.json.encode(body))
