"""The AgentCore port over AWS: botocore in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from botocore.client import BaseClient
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from mcp_gateway_operator.agentcore.aws import parse_answer as answers
from mcp_gateway_operator.agentcore.aws import sdk
from mcp_gateway_operator.agentcore.aws.call_log import request_id_of, tell
from mcp_gateway_operator.agentcore.aws.classify_error import from_botocore
from mcp_gateway_operator.agentcore.aws.clock_skew import ClockSkew
from mcp_gateway_operator.agentcore.aws.threads import Share, Threads
from mcp_gateway_operator.agentcore.port import CallerIdentity, Fence, Gateway, GatewayPage, ListPage, OnCall
from mcp_gateway_operator.targets.known import CALL_SECONDS, AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import Target, TargetStatus

T = TypeVar("T")

SIBLING_THREADS: Final = 4
"""Reads, and writes, at a time of each session beside the operator's own."""
REGION_THREADS: Final = 12
"""The same of all sessions of a Region together: one that does not answer leaves threads to the others."""
PAGE_SIZE: Final = 1000
"""The service's limit for maxResults."""


@dataclass(slots=True, eq=False)
class _Flight:
    """What one call needs to know of itself while it is under way in a thread."""

    fence: Fence | None
    request: Mapping[str, Any]
    request_id: str = ""
    sent: bool = False
    given_up: bool = False
    client: BaseClient | None = None


class Boto3AgentCore:
    """AgentCore through botocore, for `asyncio` callers.

    Endpoint, credentials, proxies, certificates, FIPS and dual-stack are what the environment and the shared
    configuration say, as in every SDK (`AWS_ENDPOINT_URL` included). Nothing is read before the first call.
    There are no retries: the quota scheduler counts every request. A call ends after `call_seconds` at the
    latest. The thread of a call that nobody waits for any more sends nothing from then on; what it has sent
    already it finishes by itself, and the answer is dropped.

    Args:
        region: the AWS Region, None for the SDK's own choice (`AWS_REGION`, the profile).
        user_agent: `name/version`, added to the SDK's.
        call_seconds: the longest a call takes for its caller, credentials and all.
        at_a_time: Gets and Lists at a time, and as many Creates, Updates, Deletes and Synchronizes.
        threads: in which the calls of all accounts are made; None for as many as this one needs.
        on_call: told of each call on the event loop, but not of those that the fence stopped.
        authorities: a file with the certificate authorities to trust; None for the SDK's own.
        proxy_for: names the proxy of an endpoint for messages, empty where there is none.
    """

    def __init__(
        self,
        *,
        region: str | None,
        user_agent: str,
        call_seconds: float = CALL_SECONDS,
        at_a_time: int = 8,
        threads: Threads | None = None,
        on_call: OnCall = lambda _operation, _code, _seconds, _request_id: None,
        authorities: str | None = None,
        proxy_for: Callable[[str], str] = lambda _url: "",
    ) -> None:
        self._region = region
        self._user_agent = user_agent
        self._call_seconds = call_seconds
        self._on_call = on_call
        self._authorities = authorities
        self._proxy_for = proxy_for
        self._connections = 2 * at_a_time
        self._threads = threads or Threads.of(at_a_time)
        self._reads = Share(self._threads.reads, at_a_time)
        self._writes = Share(self._threads.writes, at_a_time)
        self._lock = threading.Lock()
        self._client: BaseClient | None = None
        self._sts: BaseClient | None = None
        self._given: Credentials | None = None
        self._credentials: Credentials | None = None
        self._skew = ClockSkew()
        self._flights = threading.local()

    def sibling(self, region: str, *, on_call: OnCall | None = None) -> Boto3AgentCore:
        """Return the same for another Region, in the same threads, in which all its accounts have a share."""
        return self._like(region, REGION_THREADS, on_call or self._on_call)

    def within(self, credentials: Credentials | None = None) -> Boto3AgentCore:
        """Return the same in this Region, where given for other credentials, with a share of its share."""
        of = self._reads, self._writes
        return self._like(self._region, SIBLING_THREADS, self._on_call, of=of, credentials=credentials)

    def _like(
        self,
        region: str | None,
        at_a_time: int,
        on_call: OnCall,
        *,
        of: tuple[Share, Share] | None = None,
        credentials: Credentials | None = None,
    ) -> Boto3AgentCore:
        made = Boto3AgentCore(
            region=region,
            user_agent=self._user_agent,
            call_seconds=self._call_seconds,
            at_a_time=at_a_time,
            threads=self._threads,
            on_call=on_call,
            authorities=self._authorities,
            proxy_for=self._proxy_for,
        )
        # The clock is the node's, whoever signs: a session that is new must not learn it by a refusal.
        made._skew = self._skew
        made._given = credentials
        if of is not None:
            made._reads, made._writes = (Share(each, at_a_time) for each in of)
        return made

    async def close(self) -> None:
        """Stop the threads and close idle connections; calls in flight end unseen."""
        self._threads.close()
        # Without the lock, which a thread may hold while it reads configuration files.
        for client in (self._client, self._sts):
            if client is not None:
                client.close()

    def aws_time(self) -> datetime:
        """Return UTC now by AWS's clock, as far as it is known to differ from the node's."""
        return self._skew.now()

    def credentials_end(self) -> float | None:
        """Return the Unix time at which the credentials in use end, None where nobody knows of an end."""
        # botocore has no public name for it.
        end = getattr(self._credentials, "_expiry_time", None)
        return end.timestamp() if isinstance(end, datetime) else None

    async def list_targets(self, gateway_id: str, *, next_token: str | None = None) -> ListPage:
        """Return one page (up to 1000) of the gateway's targets."""
        request: dict[str, Any] = {"gatewayIdentifier": gateway_id, "maxResults": PAGE_SIZE}
        if next_token is not None:
            request["nextToken"] = next_token
        return await self._ask("list_gateway_targets", request, answers.page)

    async def get_target(self, gateway_id: str, target_id: str) -> Target:
        """Return one target in full."""
        request = {"gatewayIdentifier": gateway_id, "targetId": target_id}
        return await self._ask("get_gateway_target", request, answers.target)

    async def create_target(
        self, gateway_id: str, request: Mapping[str, Any], *, client_token: str, fence: Fence
    ) -> Target:
        """Create a target; `request` holds everything but gatewayIdentifier and clientToken."""
        whole = {**request, "gatewayIdentifier": gateway_id, "clientToken": client_token}
        return await self._ask("create_gateway_target", whole, answers.target, fence)

    async def update_target(
        self, gateway_id: str, target_id: str, request: Mapping[str, Any], *, fence: Fence
    ) -> Target:
        """Replace a target's whole configuration; what `request` omits is cleared."""
        whole = {**request, "gatewayIdentifier": gateway_id, "targetId": target_id}
        return await self._ask("update_gateway_target", whole, answers.target, fence)

    async def synchronize_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> Target:
        """Ask for the target's tools to be indexed again."""
        request = {"gatewayIdentifier": gateway_id, "targetIdList": [target_id]}
        return await self._ask("synchronize_gateway_targets", request, answers.synchronized, fence)

    async def delete_target(self, gateway_id: str, target_id: str, *, fence: Fence) -> TargetStatus:
        """Ask for deletion, which is asynchronous; return the status answered."""
        request = {"gatewayIdentifier": gateway_id, "targetId": target_id}
        return TargetStatus(await self._ask("delete_gateway_target", request, answers.status, fence))

    async def get_gateway(self, gateway_id: str) -> Gateway:
        """Return a gateway; proves that it exists."""
        return await self._ask("get_gateway", {"gatewayIdentifier": gateway_id}, answers.gateway)

    async def list_gateways(self, *, next_token: str | None = None) -> GatewayPage:
        """Return one page (up to 1000) of the gateways of the account and Region."""
        request: dict[str, Any] = {"maxResults": PAGE_SIZE}
        if next_token is not None:
            request["nextToken"] = next_token
        return await self._ask("list_gateways", request, answers.gateways)

    async def caller_identity(self) -> CallerIdentity:
        """Return whose credentials are used."""

        def call(flight: _Flight) -> CallerIdentity:
            flight.client, client = self._clients()
            answer = client.get_caller_identity()
            return CallerIdentity(
                account=str(answer["Account"]), arn=str(answer["Arn"]), region=client.meta.region_name
            )

        return await self._timed("get_caller_identity", call, {}, None)

    async def assume_role(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask the Region's STS for a session of a role; the answer is STS's own."""

        def call(flight: _Flight) -> Mapping[str, Any]:
            flight.client, sts = self._clients()
            answer: Mapping[str, Any] = sts.assume_role(**request)
            return answer

        return await self._timed("assume_role", call, {}, None)

    # How.

    async def _ask(
        self, operation: str, request: dict[str, Any], parse: Callable[[Any], T], fence: Fence | None = None
    ) -> T:
        gateway_id = request.get("gatewayIdentifier", "")
        if ":" in gateway_id:
            # AWS takes ids, and one alone would be that of a gateway here.
            raise AgentCoreError(
                ErrorKind.VALIDATION, "Elsewhere", f"{gateway_id} is not reached with these credentials"
            )

        def call(flight: _Flight) -> T:
            client = flight.client = self._clients()[0]
            self._flights.current = flight
            try:
                answer = getattr(client, operation)(**request)
                flight.request_id = request_id_of(answer)
                if parse is not answers.page:
                    # A page checks itself: it is long, and read every second.
                    name = client.meta.method_to_api_mapping[operation]
                    answers.check(client.meta.service_model.operation_model(name).output_shape, answer)
                return parse(answer)
            except ClientError as error:
                flight.request_id = request_id_of(error.response)
                raise
            finally:
                self._flights.current = None

        return await self._timed(operation, call, request, fence)

    async def _timed(
        self,
        operation: str,
        call: Callable[[_Flight], T],
        request: Mapping[str, Any],
        fence: Fence | None,
    ) -> T:
        now = asyncio.get_running_loop().time
        began = now()
        pool = self._reads if fence is None else self._writes
        flight = _Flight(fence, request)
        answer: T | AgentCoreError | None = None
        try:
            answer = await self._run(pool, operation, call, flight)
        except AgentCoreError as error:
            answer = error
            if error.kind is not ErrorKind.FENCED:
                self._on_call(operation, error.code, now() - began, flight.request_id)
            raise
        finally:
            # A cancelled call, too.
            tell(operation, flight, answer, now() - began)
        self._on_call(operation, "OK", now() - began, flight.request_id)
        return answer

    async def _run(self, pool: Share, operation: str, call: Callable[[_Flight], T], flight: _Flight) -> T:
        mutating = flight.fence is not None

        def attempt() -> T:
            try:
                return call(flight)
            except Exception as error:
                raise self._understood(error, flight) from error

        job = pool.submit(attempt)
        bound = self._call_seconds
        try:
            async with asyncio.timeout(bound):
                return await job.future
        except TimeoutError:
            # Before `sent` is read: whichever of the two threads comes second sees what the other has set.
            flight.given_up = True
            raise AgentCoreError(
                ErrorKind.TRANSIENT,
                "Timeout",
                f"{operation} did not end within {bound:g} s"
                if job.started
                else f"{operation} waited {bound:g} s for calls that do not end",
                maybe_applied=mutating and flight.sent,
            ) from None
        finally:
            # A cancelled call, too.
            flight.given_up = True

    def _understood(self, error: Exception, flight: _Flight) -> AgentCoreError:
        """Return what an error means, and see to it that the next call fares better where it can."""
        understood = from_botocore(
            error, mutating=flight.fence is not None, sent=flight.sent, proxy_for=self._proxy_for
        )
        if isinstance(error, ClientError) and (wrong_clock := self._skew.learn(error)) is not None:
            return wrong_clock
        if understood.kind is ErrorKind.CREDENTIALS:
            # A client keeps what it found for good. Files are written anew, tokens and keys replaced, and
            # metadata services come up: the next call, which is in seconds, finds what there is then.
            self._forget(flight.client)
        return understood

    def _clients(self) -> tuple[BaseClient, BaseClient]:
        """Return the AgentCore and STS clients; called in threads."""
        with self._lock:
            if self._client is None or self._sts is None:
                aws = sdk.new_session(
                    self._region,
                    call_seconds=self._call_seconds,
                    authorities=self._authorities,
                    credentials=self._given,
                )
                self._client = sdk.new_client(aws, user_agent=self._user_agent, connections=self._connections)
                self._client.meta.events.register("before-send", self._before_send)
                self._sts = sdk.new_sts_client(aws, user_agent=self._user_agent)
                for client in (self._client, self._sts):
                    self._skew.attach(client)
                self._credentials = aws.get_credentials()
            return self._client, self._sts

    def _forget(self, client: BaseClient | None) -> None:
        """Walk the credential chain again at the next call, unless another thread has done so already."""
        with self._lock:
            if self._client is client:
                self._client = self._sts = None

    def _before_send(self, **_: object) -> None:
        """Ask the fence in the last moment: credentials are there, the request is signed."""
        flight: _Flight = self._flights.current
        if flight.fence is not None and not flight.fence():
            raise AgentCoreError(
                ErrorKind.FENCED, "Fenced", "not sent: what it was decided on does not hold any more"
            )
        flight.sent = True
        if flight.given_up:
            raise AgentCoreError(ErrorKind.TRANSIENT, "Timeout", "not sent: nobody waits for it any more")
