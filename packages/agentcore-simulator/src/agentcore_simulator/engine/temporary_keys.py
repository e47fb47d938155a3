"""Temporary credentials that the simulator gives out, and recognises afterwards by their access key."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

import msgspec

from agentcore_simulator.errors import ServiceError, denied
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.plane import ControlPlane, stamp
from agentcore_simulator.protocol import iam_arn

CONTAINER_PATH = "/v1/credentials"
"""Where the EKS Pod Identity agent serves credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI)."""

_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/(.+)")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ALPHABET = string.ascii_uppercase + "234567"
_SHORTEST, _LONGEST = 900, 43_200


@dataclass(frozen=True, slots=True)
class Issued:
    """One set of temporary credentials; `expiration` is ISO 8601, `user_id` the id of the assumed role."""

    access_key: str
    secret_key: str
    token: str
    expiration: str
    account: str
    arn: str
    user_id: str


def issue(plane: ControlPlane, role_arn: str, session: str, duration: str | None, now: float) -> Issued:
    """Credentials of a session of `role_arn`. They live as the settings say, or as long as asked for.

    Raises:
        ServiceError: ValidationError, as STS says it, for a bad role ARN, session name or duration (seconds).
    """
    role = _ROLE.fullmatch(role_arn)
    if role is None:
        raise ServiceError("ValidationError", f"{role_arn} is invalid", status=400)
    if _SESSION.fullmatch(session) is None:
        raise ServiceError("ValidationError", "The role session name is invalid", status=400)
    seconds = plane.settings.credential_seconds
    if duration is not None:
        if not duration.isdigit() or not _SHORTEST <= int(duration) <= _LONGEST:
            message = f"DurationSeconds must be between {_SHORTEST} and {_LONGEST}"
            raise ServiceError("ValidationError", message, status=400)
        seconds = min(seconds, float(duration))
    partition, account, name = role.groups()
    arn = f"arn:{partition}:sts::{account}:assumed-role/{name.rsplit('/', 1)[-1]}/{session}"
    access_key = "ASIA" + _random(plane, 16)
    expired = [key for key, (_, _, end) in plane.credentials.items() if end <= now - _LONGEST]
    for key in expired:
        del plane.credentials[key]
    plane.credentials[access_key] = (account, arn, now + seconds)
    return Issued(
        access_key=access_key,
        secret_key=_random(plane, 40),
        token=_random(plane, 64),
        expiration=stamp(now + seconds, 0),
        account=account,
        arn=arn,
        user_id=f"AROA{_random(plane, 16)}:{session}",
    )


def container_credentials(plane: ControlPlane, request: Request, now: float) -> Response:
    """What the EKS Pod Identity agent answers to a pod that shows its token."""
    if not request.headers.get("authorization"):
        refused = denied("Service account token cannot be empty")
        return Response(refused.status, _JSON, msgspec.json.encode(refused.body()))
    role = iam_arn(plane.settings.region, plane.settings.account, "role/pod-identity")
    issued = issue(plane, role, "eks-simulator", None, now)
    body = {
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret_key,
        "Token": issued.token,
        "AccountId": issued.account,
        "Expiration": issued.expiration,
        "RoleArn": role,
    }
    return Response(200, _JSON, msgspec.json.encode(body))


_JSON = {"content-type": "application/json"}


def _random(plane: ControlPlane, length: int) -> str:
    return "".join(plane.rng.choices(_ALPHABET, k=length))
