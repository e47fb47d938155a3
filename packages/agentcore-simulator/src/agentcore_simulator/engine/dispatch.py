"""The control plane as a pure function of requests and time: no sockets, no wall clock, no event loop."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import msgspec

from agentcore_simulator.admin import ADMIN_PREFIX, Admin
from agentcore_simulator.engine import sts
from agentcore_simulator.engine.permissions import authorize, check_session
from agentcore_simulator.engine.temporary_keys import CONTAINER_PATH, container_credentials
from agentcore_simulator.errors import ServiceError, validation
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.plane import OPERATIONS, Call, Clock, ControlPlane
from agentcore_simulator.protocol import (
    Caller,
    Entry,
    Operation,
    caller_of,
    loopback_endpoint,
    parse,
    partition_of,
    service_validator,
    with_endpoint,
)
from agentcore_simulator.scenarios import Fault
from agentcore_simulator.settings import Settings

_MAX_LOGGED = 1000
"""Characters of an error message kept in the request log."""


class Engine:
    """An AgentCore control plane whose time is `clock` (epoch seconds).

    State changes that are due happen when a request or `advance` reads the clock, dated as they were due.
    Not safe for use from several threads at a time.
    """

    def __init__(self, settings: Settings | None = None, *, clock: Callable[[], float]) -> None:
        self.plane = ControlPlane(settings or Settings())
        self.clock = Clock(clock)
        self.requests = 0
        """How many requests were handled."""
        self.admin = Admin(self.plane, self.clock)
        self._validator = service_validator()
        partition_of(self.plane.settings.region)  # reads a file: here, not in the first request's event loop

    def advance(self) -> float:
        """Let everything happen that is due; returns the present time."""
        now = self.clock()
        self.plane.timeline.advance(now)
        return now

    def handle(self, request: Request) -> Response:
        """Answer one request of any of the protocols: AgentCore (rest-json), STS (query) or the admin API."""
        now = self.advance()
        self.requests += 1
        if request.path.startswith(ADMIN_PREFIX):
            return self.admin.handle(request, now)
        if request.path == CONTAINER_PATH:
            return container_credentials(self.plane, request, now)
        query = sts.parameters(request)
        if query is not None:
            return self._handle_sts(request, query, now)
        return self._handle_service(request, now)

    def _handle_service(self, request: Request, now: float) -> Response:
        plane = self.plane
        entry = Entry(
            time=now,
            account=plane.settings.account,
            region=plane.settings.region,
            operation="Unknown",
            status=0,
            request_id=plane.request_id(),
        )
        response = Response(200, {}, delay=plane.settings.latency)
        try:
            caller = self._named_caller(request, entry, now)
            operation, params = parse(request, entry)
            fault = self._fault(entry, response)
            if fault is None or fault.commit or fault.kind == "delay":
                call = Call(operation.name, caller, params, now)
                response.body = self._perform(operation, call, entry)
                response.delay += self._extra_latency(call)
            _raise_fault(fault)
            response.status = operation.status
        except ServiceError as error:
            entry.error, entry.message = error.code, error.message[:_MAX_LOGGED]
            response.status = error.status
            response.headers["x-amzn-errortype"] = error.code
            response.body = msgspec.json.encode(error.body())
        entry.status, entry.effect = response.status, response.effect
        plane.journal.add(entry)
        return _finished(response, entry.request_id, "application/json", now)

    def _named_caller(self, request: Request, entry: Entry, now: float) -> Caller:
        """The caller; of one who is refused, the log says all the same what was asked for."""
        try:
            return self._caller(request, entry, now, "bedrock-agentcore")
        except ServiceError:
            with contextlib.suppress(ServiceError):
                parse(request, entry)
            raise

    def _caller(
        self, request: Request, entry: Entry, now: float, service: str, *, signed: bool = True
    ) -> Caller:
        settings = self.plane.settings
        caller = caller_of(
            request,
            account=settings.account,
            region=settings.region,
            service=service,
            issued=self.plane.credentials,
            required=signed and settings.switches.require_signature,
        )
        entry.account, entry.region, entry.caller = caller.account, caller.region, caller.arn
        session = caller.session
        if session is not None and entry.role is None:
            entry.role, entry.session, entry.tags = session.role or None, session.name, session.tags
        check_session(self.plane, caller, service, now)
        return caller

    def _perform(self, operation: Operation, call: Call, entry: Entry) -> bytes:
        plane, caller = self.plane, call.caller
        authorize(plane, operation.name, caller, call.params)
        if plane.settings.quotas.enabled:
            plane.buckets.take(caller.account, caller.region, operation.name, plane.settings, call.now)
        run = OPERATIONS.get(operation.name)
        if run is None:
            raise validation(f"The simulator does not have operation {operation.name}", reason="CannotParse")
        call.params = self._validated(operation, call.params)
        try:
            return run(plane, call)
        finally:
            entry.target = call.found.id if call.found else call.target_id or entry.target
            if entry.name is None and call.found is not None:
                entry.name = call.found.name

    def _validated(self, operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
        if not operation.input:
            return params
        plain = loopback_endpoint(params) if self.plane.settings.switches.loopback_http else None
        if plain is not None:
            params = with_endpoint(params, plain.replace("http:", "https:", 1))
        try:
            cleaned = self._validator.validate(operation.input, params)
        except RecursionError:
            raise validation("The request is nested too deeply", reason="CannotParse") from None
        return cleaned if plain is None else with_endpoint(cleaned, plain)

    def _extra_latency(self, call: Call) -> float:
        scenario = self.plane.scenario(call.found) if call.found is not None else None
        return scenario.latency if scenario is not None else 0.0

    def _handle_sts(self, request: Request, query: dict[str, str], now: float) -> Response:
        plane = self.plane
        action = query["Action"]
        entry = Entry(
            time=now,
            account=plane.settings.account,
            region=plane.settings.region,
            operation=f"sts:{action}"[:80],
            status=200,
            request_id=plane.request_id(),
        )
        response = Response(200, {}, delay=plane.settings.latency)
        sts.note(query, entry)
        try:
            caller = self._caller(request, entry, now, "sts", signed=action not in sts.UNSIGNED)
            _raise_fault(self._fault(entry, response))
            response.body = sts.perform(plane, query, caller, now, entry)
        except ServiceError as error:
            entry.error, entry.message = error.code, error.message[:_MAX_LOGGED]
            entry.status = error.status
            response.status = error.status
            response.body = sts.error(error.code, error.message, error.status, entry.request_id)
        entry.effect = response.effect
        plane.journal.add(entry)
        return _finished(response, entry.request_id, "text/xml", now)

    def _fault(self, entry: Entry, response: Response) -> Fault | None:
        """The fault that hits this call, with its delay and its loss already in the response."""
        call = {
            "operation": entry.operation,
            "gateway": entry.gateway,
            "target": entry.target,
            "name": entry.name,
            "account": entry.account,
            "region": entry.region,
            "role": entry.role,
        }
        fault = self.plane.faults.take(call, self.plane.rng)
        if fault is not None:
            response.delay += fault.delay
            response.effect = fault.effect
        return fault


def _raise_fault(fault: Fault | None) -> None:
    if fault is not None and fault.kind == "error":
        raise fault.error()


@functools.lru_cache(maxsize=4)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _finished(response: Response, request_id: str, content_type: str, now: float) -> Response:
    response.headers["content-type"] = content_type
    response.headers["x-amzn-RequestId"] = request_id
    response.headers["Date"] = _http_date(int(now))
    return response
