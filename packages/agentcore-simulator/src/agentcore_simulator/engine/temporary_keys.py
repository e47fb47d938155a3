"""Temporary credentials that the simulator gives out, and recognises afterwards by their access key."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from agentcore_simulator.errors import denied
from agentcore_simulator.messages import Request, Response
from agentcore_simulator.plane import ControlPlane, stamp
from agentcore_simulator.protocol import Session, iam_arn

CONTAINER_PATH = "/v1/credentials"
"""Where the EKS Pod Identity agent serves credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI)."""

KEY_PREFIX = "ASIASIM"
"""What our access keys begin with: one that is not known any more is not taken for a user's."""

_ALPHABET = string.ascii_uppercase + "234567"
_REMEMBERED = 43_200
"""Seconds for which an expired key is still called expired; unknown afterwards."""


@dataclass(frozen=True, slots=True)
class Issued:
    """One set of temporary credentials of a session; `expiration` is ISO 8601."""

    access_key: str
    secret_key: str
    token: str
    expiration: str
    session: Session


def issue(
    plane: ControlPlane,
    role_arn: str,
    name: str,
    seconds: float | None,
    now: float,
    *,
    tags: Mapping[str, str] | None = None,
    transitive: tuple[str, ...] = (),
) -> Issued:
    """Credentials of a session of `role_arn`, which has been found valid.

    They live `seconds`, but no longer than the settings and the role say.
    """
    partition, account, path = (role_arn.split(":")[part] for part in (1, 4, 5))
    short_name = path.rsplit("/", 1)[-1]
    role = plane.roles.get(account, short_name)
    lifetimes = [seconds, plane.settings.credential_seconds, role.session_seconds if role else None]
    expires = now + min(limit for limit in lifetimes if limit is not None)
    _forget_long_expired(plane, now)
    access_key = KEY_PREFIX + _random(plane, 20 - len(KEY_PREFIX))
    session = Session(
        account=account,
        arn=f"arn:{partition}:sts::{account}:assumed-role/{short_name}/{name}",
        expires=expires,
        user_id=f"{role.id if role else plane.new_role_id()}:{name}",
        role=role_arn,
        role_id=role.id if role else "",
        tags=dict(tags or {}),
        transitive=transitive,
    )
    plane.credentials[access_key] = session
    return Issued(
        access_key=access_key,
        secret_key=_random(plane, 40),
        token=_random(plane, 64),
        expiration=stamp(expires, 0),
        session=session,
    )


def _forget_long_expired(plane: ControlPlane, now: float) -> None:
    # From the oldest on, and no further than the first that is still remembered: giving out many stays cheap.
    while plane.credentials:
        oldest, session = next(iter(plane.credentials.items()))
        if session.expires > now - _REMEMBERED:
            return
        del plane.credentials[oldest]


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
        "AccountId": issued.session.account,
        "Expiration": issued.expiration,
        "RoleArn": role,
    }
    return Response(200, _JSON, msgspec.json.encode(body))


_JSON = {"content-type": "application/json"}


def _random(plane: ControlPlane, length: int) -> str:
    return "".join(plane.rng.choices(_ALPHABET, k=length))
