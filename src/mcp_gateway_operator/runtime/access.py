"""Who may read: callers that Kubernetes knows and allows, as controller-runtime guards its metrics.

The bearer token is given to the API server (TokenReview), and the user it belongs to must be allowed the
request (SubjectAccessReview on a non-resource path). Answers are remembered for a short time, under a hash of
the token and never the token itself, so that a scrape every few seconds costs the API server nothing. Wrong
tokens cost it a bounded number of reviews, and cost those who come with right ones, or from elsewhere, no
more than a moment.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from mcp_gateway_operator.runtime.cluster import UNREADABLE, ApiError, Cluster, Resource
from mcp_gateway_operator.runtime.fair_slots import CrowdedError, FairSlots

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)

ALLOWED_SECONDS: Final = 60.0
"""How long a yes holds: what controller-runtime lets a TokenReview hold."""
DENIED_SECONDS: Final = 30.0
"""How long a known user's no holds, as there."""
UNKNOWN_SECONDS: Final = 10.0
"""How long an unknown token's no holds: a ServiceAccount may be made a moment after its first request."""
ALLOWED_ENTRIES: Final = 64
REFUSED_ENTRIES: Final = 256
"""Kept apart, so that a flood of wrong tokens does not push out those that scrape."""
REVIEW_SECONDS: Final = 10.0
STRANGERS_REVIEWS: Final = 3
"""Reviews at a time of tokens that were never right."""
KNOWN_REVIEWS: Final = 1
"""Reviews at a time beside those, of tokens that were right before."""
WRONG_SECONDS: Final = 0.05
"""How long a wrong token keeps its turn after its review: three slots make 60 such reviews a second."""
WAITING: Final = 32
"""Callers that wait for a review, less than there are connections. Of more, the last is told to come back of
the address from which the most wait."""
COMPLAINT_SECONDS: Final = 60.0
"""At most one log line in this time about reviews that fail."""

log = structlog.get_logger(__name__)


class Verdict(NamedTuple):
    """OK, or the status and text to answer with."""

    status: HTTPStatus
    message: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the caller may go on."""
        return self.status is HTTPStatus.OK


_UNAUTHORIZED: Final = Verdict(HTTPStatus.UNAUTHORIZED, "Unauthorized")


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _TokenStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()


class _TokenReview(msgspec.Struct, frozen=True):
    status: _TokenStatus = _TokenStatus()


class _AccessStatus(msgspec.Struct, frozen=True):
    allowed: bool = False
    denied: bool = False


class _AccessReview(msgspec.Struct, frozen=True):
    status: _AccessStatus = _AccessStatus()


_decode_token = msgspec.json.Decoder(_TokenReview).decode
_decode_access = msgspec.json.Decoder(_AccessReview).decode


class _Answers:
    """The newest `size` answers, each until its end; `has` tells of those that are over as well."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()

    def get(self, key: bytes, now: float) -> Verdict | None:
        until, verdict = self._entries.get(key, (now, None))
        return verdict if now < until else None

    def has(self, key: bytes) -> bool:
        return key in self._entries

    def drop(self, key: bytes) -> None:
        self._entries.pop(key, None)

    def put(self, key: bytes, verdict: Verdict, until: float) -> None:
        self._entries[key] = (until, verdict)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


class AccessGuard:
    """Decides about callers of one path.

    Args:
        cluster: where tokens and rights are looked up; needs `create` on tokenreviews and
            subjectaccessreviews.
        path: what callers must be allowed to `get`, as a `nonResourceURLs` rule says it.
    """

    def __init__(self, cluster: Cluster, *, path: str) -> None:
        self._cluster = cluster
        self._path = path
        # A key of this process alone: what is in memory is of no use to test guessed tokens against.
        self._secret = secrets.token_bytes(32)
        self._allowed = _Answers(ALLOWED_ENTRIES)
        self._refused = _Answers(REFUSED_ENTRIES)
        self._strangers = FairSlots(STRANGERS_REVIEWS, waiting=WAITING)
        self._regulars = FairSlots(KNOWN_REVIEWS, waiting=WAITING)
        self._complained_at = float("-inf")

    async def check(self, authorization: str, address: str = "") -> Verdict:
        """Decide about a request by its Authorization header, and whose turn it is by its address.

        Answers as controller-runtime's filter: 401 without a valid token, 403 without the right, 500 when
        the API server cannot be asked. (There an invalid token ends in 500 as well; here it is a 401.) And
        429 while too many wait for an answer.
        """
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _UNAUTHORIZED
        key = hashlib.blake2b(token.encode(), key=self._secret, digest_size=32).digest()
        if known := self._known(key):
            return known
        slots = self._regulars if self._allowed.has(key) else self._strangers
        try:
            async with asyncio.timeout(REVIEW_SECONDS), slots.slot(address):
                # Somebody with the same token may have had the turn before.
                return self._known(key) or await self._review(key, token)
        except CrowdedError:
            return Verdict(HTTPStatus.TOO_MANY_REQUESTS, "Too many callers wait to be checked")
        except (ApiError, TimeoutError, *UNREADABLE) as error:
            self._complain(error)
            return Verdict(HTTPStatus.INTERNAL_SERVER_ERROR, "Authentication failed")

    def _known(self, key: bytes) -> Verdict | None:
        now = _now()
        return self._allowed.get(key, now) or self._refused.get(key, now)

    async def _review(self, key: bytes, token: str) -> Verdict:
        user = await self._user(token)
        if user is None:
            self._allowed.drop(key)
            self._refused.put(key, _UNAUTHORIZED, _now() + UNKNOWN_SECONDS)
            await asyncio.sleep(WRONG_SECONDS)
            return _UNAUTHORIZED
        if await self._may_read(user):
            verdict = Verdict(HTTPStatus.OK)
            self._allowed.put(key, verdict, _now() + ALLOWED_SECONDS)
            return verdict
        self._allowed.drop(key)
        verdict = Verdict(HTTPStatus.FORBIDDEN, f"Authorization denied for user {user.username}")
        self._refused.put(key, verdict, _now() + DENIED_SECONDS)
        return verdict

    async def _user(self, token: str) -> _User | None:
        body = _review_of("authentication.k8s.io/v1", "TokenReview", {"token": token})
        status = _decode_token(await self._cluster.create(TOKEN_REVIEWS, None, body)).status
        return status.user if status.authenticated and status.user.username else None

    async def _may_read(self, user: _User) -> bool:
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": self._path, "verb": "get"},
        }
        body = _review_of("authorization.k8s.io/v1", "SubjectAccessReview", spec)
        status = _decode_access(await self._cluster.create(ACCESS_REVIEWS, None, body)).status
        return status.allowed and not status.denied

    def _complain(self, error: Exception) -> None:
        now = _now()
        if now - self._complained_at < COMPLAINT_SECONDS:
            return
        self._complained_at = now
        if isinstance(error, ApiError) and error.forbidden:
            log.error(
                "Callers of the metrics cannot be checked, so all are refused: allow this ServiceAccount to "
                "create tokenreviews and subjectaccessreviews (the metrics-auth-role does).",
                error=str(error),
            )
        else:
            log.error("a caller of the metrics could not be checked", error=str(error) or "timeout")


def _review_of(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "spec": spec}


def _now() -> float:
    return asyncio.get_running_loop().time()
