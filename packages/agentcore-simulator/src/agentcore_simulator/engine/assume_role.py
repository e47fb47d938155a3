"""AssumeRole and AssumeRoleWithWebIdentity: what is asked for, and whether the role's trust permits it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from agentcore_simulator.engine.permissions import verdict_of
from agentcore_simulator.engine.temporary_keys import Issued, issue
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.plane import ControlPlane, Role
from agentcore_simulator.protocol import Caller, Entry, sts_validator

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/([\x21-\x7e]+/)?[A-Za-z0-9_+=,.@-]{1,64}")
_MEMBER = re.compile(r"(Tags|TransitiveTagKeys)\.member\.([1-9][0-9]{0,2})(?:\.(Key|Value))?")
_MEMBERS = (
    "RoleArn",
    "RoleSessionName",
    "DurationSeconds",
    "ExternalId",
    "WebIdentityToken",
)
_CHAINED_SECONDS = 3600
_MAX_TAGS = 50
_MAX_LOGGED = 256


def note(query: dict[str, str], entry: Entry) -> None:
    """Put the role that a request asks for, and as whom, into its log entry."""
    if not query["Action"].startswith("AssumeRole"):
        return
    entry.role = query.get("RoleArn", "")[:2048]
    entry.session = query.get("RoleSessionName", "")[:_MAX_LOGGED]
    entry.external_id = query["ExternalId"][:_MAX_LOGGED] if "ExternalId" in query else None
    entry.tags = {
        tag.get("Key", "")[:_MAX_LOGGED]: tag.get("Value", "")[:_MAX_LOGGED]
        for tag in _lists(query).get("Tags", ())[:_MAX_TAGS]
    }


def assume_role(
    plane: ControlPlane, query: dict[str, str], caller: Caller, now: float, entry: Entry
) -> Issued:
    """A session of the role that a query-protocol request names; tags it inherits go into `entry`.

    Raises:
        ServiceError: ValidationError for a request that breaks the service model or a limit, AccessDenied
            when the role does not exist, does not trust the caller, or its conditions are not met.
    """
    asked = _validated("AssumeRoleRequest", query)
    arn, tags = asked["RoleArn"], _tags(asked)
    role = _made(plane, arn)
    if not _trusted(plane, role, caller, arn) or not _meets(role, asked, tags):
        _refuse(caller, "sts:AssumeRole", arn)
    if tags and not _may_tag(plane, role, caller, tags):
        _refuse(caller, "sts:TagSession", arn)
    inherited: dict[str, str] = {}
    if caller.session is not None:
        inherited = {key: caller.session.tags[key] for key in caller.session.transitive}
        _check_overrides(inherited, tags)
    seconds = _seconds(asked, role, chained=caller.session is not None)
    transitive = tuple(dict.fromkeys((*inherited, *asked.get("TransitiveTagKeys", ()))))
    if unknown := [key for key in transitive if key not in tags and key not in inherited]:
        message = f"The transitive tag key {unknown[0]} is not among the session tags"
        raise ServiceError("InvalidParameterValue", message, status=400)
    entry.tags = {**inherited, **tags}
    return issue(plane, arn, asked["RoleSessionName"], seconds, now, tags=entry.tags, transitive=transitive)


def assume_role_with_web_identity(plane: ControlPlane, query: dict[str, str], now: float) -> Issued:
    """A session for whoever shows a token, which is not looked at.

    Raises:
        ServiceError: InvalidIdentityToken without a token; otherwise as `assume_role`.
    """
    if not query.get("WebIdentityToken"):
        raise ServiceError("InvalidIdentityToken", "The web identity token is missing", status=400)
    # Tokens that stand for one in tests are short; the service wants four characters at least.
    asked = _validated("AssumeRoleWithWebIdentityRequest", {**query, "WebIdentityToken": "a.b.c"})
    arn = asked["RoleArn"]
    role = _made(plane, arn)
    if not _trusts_the_web(plane, role, arn):
        message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        raise ServiceError("AccessDenied", message, status=403)
    return issue(plane, arn, asked["RoleSessionName"], _seconds(asked, role, chained=False), now)


def _validated(shape: str, query: dict[str, str]) -> dict[str, Any]:
    """The members of a request, if the service model allows them.

    Raises:
        ServiceError: ValidationError in the words of STS, which repeat the value.
    """
    asked: dict[str, Any] = {name: query[name] for name in _MEMBERS if name in query}
    asked.update(_lists(query))
    if "DurationSeconds" in asked:
        text = asked["DurationSeconds"]
        if re.fullmatch(r"-?[0-9]{1,18}", text) is None:
            raise ServiceError("ValidationError", f"DurationSeconds {text[:20]} is no number", status=400)
        asked["DurationSeconds"] = int(text)
    try:
        valid = sts_validator().validate(shape, asked)
    except ServiceError as error:
        raise _reworded(error, asked) from None
    if _ROLE.fullmatch(valid["RoleArn"]) is None:
        raise ServiceError("ValidationError", f"{valid['RoleArn']} is invalid", status=400)
    return valid


def _lists(query: dict[str, str]) -> dict[str, list[Any]]:
    """Tags and TransitiveTagKeys, which the query protocol spells `Tags.member.1.Key=...`."""
    found: dict[str, dict[int, Any]] = {}
    for name, value in query.items():
        match = _MEMBER.fullmatch(name)
        if match is None:
            continue
        items = found.setdefault(match[1], {})
        if match[1] == "Tags" and match[3]:
            items.setdefault(int(match[2]), {})[match[3]] = value
        elif match[1] != "Tags" and not match[3]:
            items[int(match[2])] = value
    return {name: [items[number] for number in sorted(items)] for name, items in found.items()}


def _reworded(error: ServiceError, asked: dict[str, Any]) -> ServiceError:
    fields = error.extra.get("fieldList", [])
    if not fields:
        return ServiceError("ValidationError", error.message, status=400)
    details = "; ".join(f"{_value(asked, field['name'])}{field['message']}" for field in fields)
    errors = "error" if len(fields) == 1 else "errors"
    return ServiceError(
        "ValidationError", f"{len(fields)} validation {errors} detected: {details}", status=400
    )


def _value(asked: dict[str, Any], path: str) -> str:
    """The beginning of a problem: whose value, and which."""
    value: Any = asked
    for piece in path.replace(".member", "").split("."):
        value = value[int(piece) - 1] if isinstance(value, list) else value.get(piece)
    shown = "null" if value is None else f"'{str(value)[:_MAX_LOGGED]}'"
    where = ".".join(piece[:1].lower() + piece[1:] for piece in path.split("."))
    return f"Value {shown} at '{where}' failed to satisfy constraint: "


def _tags(asked: dict[str, Any]) -> dict[str, str]:
    tags: list[dict[str, str]] = asked.get("Tags", [])
    if len({tag["Key"].lower() for tag in tags}) < len(tags):
        message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise ServiceError("InvalidParameterValue", message, status=400)
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            message = "System tags cannot be added/updated by requester"
            raise ServiceError("InvalidParameterValue", message, status=400)
    return {tag["Key"]: tag["Value"] for tag in tags}


def _seconds(asked: dict[str, Any], role: Role | None, *, chained: bool) -> float | None:
    seconds: int | None = asked.get("DurationSeconds")
    if seconds is None:
        return None
    if role is not None and seconds > role.max_session:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise ServiceError("ValidationError", message, status=400)
    if chained and seconds > _CHAINED_SECONDS:
        limit = "the 1 hour session limit for roles assumed by role chaining"
        raise ServiceError("ValidationError", f"The requested DurationSeconds exceeds {limit}", status=400)
    return seconds


def _made(plane: ControlPlane, arn: str) -> Role | None:
    """The role of that ARN, if somebody made it."""
    account, path = arn.split(":")[4], arn.split(":", 5)[5].removeprefix("role/")
    role = plane.roles.get(account, path.rsplit("/", 1)[-1])
    return role if role is not None and role.name == path else None


def _trusted(plane: ControlPlane, role: Role | None, caller: Caller, arn: str) -> bool:
    """Whether `caller` may ask, as far as the role's trust and the caller's own rights go."""
    if verdict_of(plane, caller, "sts:AssumeRole") != "allowed":
        return False
    if role is None:
        return not plane.roles.governs(arn.split(":")[4])
    partition = caller.arn.split(":")[1]
    names = {"*", caller.account, f"arn:{partition}:iam::{caller.account}:root", caller.arn}
    if caller.session is not None:
        names.add(caller.session.role)
    return not role.denied and not names.isdisjoint(role.trust)


def _meets(role: Role | None, asked: dict[str, Any], tags: dict[str, str]) -> bool:
    """Whether a request brings the external id and the tags that the role's trust asks for."""
    if role is None:
        return True
    if role.external_id is not None and asked.get("ExternalId") != role.external_id:
        return False
    return all(key in tags and fnmatchcase(tags[key], value) for key, value in role.session_tags.items())


def _may_tag(plane: ControlPlane, role: Role | None, caller: Caller, tags: dict[str, str]) -> bool:
    if verdict_of(plane, caller, "sts:TagSession") != "allowed":
        return False
    return role is None or role.tag_keys is None or tags.keys() <= set(role.tag_keys)


def _check_overrides(inherited: dict[str, str], tags: dict[str, str]) -> None:
    lowered = {key.lower() for key in inherited}
    for key in tags:
        if key.lower() in lowered:
            message = f"The tag key {key} is transitive in the session that calls and cannot be set again"
            raise ServiceError("InvalidParameterValue", message, status=400)


def _trusts_the_web(plane: ControlPlane, role: Role | None, arn: str) -> bool:
    if role is None:
        return not plane.roles.governs(arn.split(":")[4])
    return not role.denied and any(entry == "*" or ":oidc-provider/" in entry for entry in role.trust)


def _refuse(caller: Caller, action: str, arn: str) -> NoReturn:
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {arn}"
    raise ServiceError("AccessDenied", message, status=403)
