"""From the service's answers to the types of `targets.shape`.

botocore checks what it sends and believes what it gets: a number arrives where the service model has a text,
and half a character where JSON escapes one. So answers are checked here, once, and what is behind the adapter
never meets one of another shape, nor a text that cannot be written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from botocore.model import Shape
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER

from mcp_gateway_operator.agentcore.port import Gateway, GatewayPage, ListPage
from mcp_gateway_operator.targets.shape import Target, TargetStatus, TargetSummary

T = TypeVar("T")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
"""Longer than any member of a summary in the service model, short enough to be kept."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^[!-~]+\Z")]
"""Letters, digits and signs of ASCII, as in every id and ARN: it is written into status as it is."""

MAX_REASONS: Final = 100
MAX_REASON: Final = 2048
"""Characters of a statusReason; with `MAX_REASONS` the bounds of the service model."""
YEARS: Final = range(1970, 9000)
"""Years of a timestamp that sums and other time zones do not lead out of the calendar."""

_CONFIG: Final = (
    "targetConfiguration",
    "credentialProviderConfigurations",
    "metadataConfiguration",
    "privateEndpoint",
    "certificateConfigurations",
)
_TYPES: Final = {"string": str, "timestamp": str, "integer": int, "long": int, "boolean": bool}
_NESTED: Final = frozenset({"structure", "map", "list"})


class AnswerError(ValueError):
    """An answer that is not of the service model's shape; the message quotes nothing of it."""


def _prepared(shape: type[T]) -> type[T]:
    """Have msgspec read a class now, not at its first use.

    Two threads that convert to a class at once that it has not read yet end the process (msgspec 0.22.0), and
    the first Lists are answered in several threads.
    """
    msgspec.json.Decoder(shape)
    return shape


@_prepared
class _Summary(msgspec.Struct, rename="camel"):
    target_id: Id
    name: Text
    status: Text
    created_at: Text
    updated_at: Text
    description: Annotated[str, msgspec.Meta(max_length=2048)] | None = None
    last_synchronized_at: Text | None = None
    listing_mode: Text | None = None
    resource_priority: int | None = None


@_prepared
class _Page(msgspec.Struct, rename="camel"):
    items: list[_Summary]
    next_token: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


@_prepared
class _Details(msgspec.Struct, rename="camel"):
    gateway_arn: Id
    status_reasons: list[str] = []


@_prepared
class _Status(msgspec.Struct):
    status: Text


@_prepared
class _Gateway(msgspec.Struct, rename="camel"):
    status: Text
    gateway_url: Annotated[str, msgspec.Meta(max_length=2048)] = ""
    authorizer_type: Annotated[str, msgspec.Meta(max_length=64)] = ""


@_prepared
class _Listed(msgspec.Struct, rename="camel"):
    gateway_id: Id


@_prepared
class _Gateways(msgspec.Struct, rename="camel"):
    items: list[_Listed]
    next_token: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


@_prepared
class _Consent(msgspec.Struct, rename="camel"):
    authorization_url: Annotated[str, msgspec.Meta(max_length=8192)] | None = None


def keep_text(value: Any) -> str:
    """Return a timestamp of the service's as text, in ISO 8601; for botocore's parsers."""
    return value if isinstance(value, str) else DEFAULT_TIMESTAMP_PARSER(value).isoformat()


def check(shape: Shape, value: object, member: str = "the answer") -> None:
    """Make sure that a parsed answer has the types of its shape in the service model, and whole characters.

    Raises:
        AnswerError: it has not.
    """
    inner: list[tuple[Shape, object, str]] = []
    match value:
        # U+FFFD stands in the place of each half of a character from here on.
        case dict():
            value |= {key: _whole(each) for key, each in value.items() if isinstance(each, str)}
        case list():
            value[:] = [_whole(each) if isinstance(each, str) else each for each in value]
    match shape.type_name, value:
        case "structure", dict():
            # What a structure lacks may be spelt as null.
            given = ((key, each) for key, each in value.items() if each is not None)
            inner = [(shape.members[key], each, key) for key, each in given if key in shape.members]
        case "map", dict():
            inner = [(shape.value, each, member) for each in value.values()]
        case "list", list():
            inner = [(shape.member, each, member) for each in value]
        case kind, _ if isinstance(value, _TYPES.get(kind, object)) and kind not in _NESTED:
            pass
        case kind, _:
            raise AnswerError(f"{member} is no {kind}")
    for each in inner:
        check(*each)


def _whole(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def page(answer: Mapping[str, Any]) -> ListPage:
    """Return a page of ListGatewayTargets.

    Raises:
        AnswerError: the answer has another shape than the service model's.
    """
    checked = _checked(answer, _Page)
    return ListPage(tuple(map(_summary, checked.items)), checked.next_token or None)


def target(answer: Mapping[str, Any]) -> Target:
    """Return the full target that Get, Create and Update answer.

    Raises:
        AnswerError: as for `page`.
    """
    configuration = answer.get("targetConfiguration") or {}
    server = (configuration.get("mcp") or {}).get("mcpServer") or {}
    # A full answer has these where they are written, a summary at the top.
    at_the_top = {key: server.get(key) for key in ("listingMode", "resourcePriority")}
    details = _checked(answer, _Details)
    consent = _checked((answer.get("authorizationData") or {}).get("oauth2") or {}, _Consent)
    config = {key: answer[key] for key in _CONFIG if key in answer}
    return Target(
        summary=_summary(_checked({**answer, **at_the_top}, _Summary)),
        gateway_arn=details.gateway_arn,
        status_reasons=tuple(reason[:MAX_REASON] for reason in details.status_reasons[:MAX_REASONS]),
        config=config,
        authorization_url=consent.authorization_url,
    )


def synchronized(answer: Mapping[str, Any]) -> Target:
    """Return the target that SynchronizeGatewayTargets, asked for one, answers.

    Raises:
        AnswerError: as for `page`, or not one target.
    """
    targets = answer.get("targets") or []
    if len(targets) != 1:
        raise AnswerError(f"{len(targets)} targets where one was asked for")
    (only,) = targets
    return target(only)


def status(answer: Mapping[str, Any]) -> str:
    """Return the status of an answer that is asked for nothing else.

    Raises:
        AnswerError: as for `page`.
    """
    return _checked(answer, _Status).status


def gateway(answer: Mapping[str, Any]) -> Gateway:
    """Return the gateway in an answer.

    Raises:
        AnswerError: as for `page`.
    """
    found = _checked(answer, _Gateway)
    return Gateway(status=found.status, url=found.gateway_url, authorizer_type=found.authorizer_type)


def gateways(answer: Mapping[str, Any]) -> GatewayPage:
    """Return a page of ListGateways.

    Raises:
        AnswerError: as for `page`.
    """
    checked = _checked(answer, _Gateways)
    return GatewayPage(tuple(each.gateway_id for each in checked.items), checked.next_token or None)


def _checked(answer: object, shape: type[T]) -> T:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise AnswerError(str(error)) from None


def _summary(checked: _Summary) -> TargetSummary:
    mode = checked.listing_mode
    synchronized_at = checked.last_synchronized_at
    return TargetSummary(
        target_id=checked.target_id,
        name=_whole(checked.name),
        status=TargetStatus(_whole(checked.status)),
        created_at=_moment(checked.created_at),
        updated_at=_moment(checked.updated_at),
        description=checked.description and _whole(checked.description),
        resource_priority=checked.resource_priority,
        listing_mode=sys.intern(_whole(mode)) if mode else None,
        last_synchronized_at=None if synchronized_at is None else _moment(synchronized_at),
    )


def _moment(text: str) -> str:
    """Return a timestamp as it came, in UTC where it names no zone.

    Raises:
        AnswerError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year not in YEARS:
        raise AnswerError("a timestamp that is not a date")
    return text if moment.tzinfo is not None else f"{moment.isoformat()}+00:00"
