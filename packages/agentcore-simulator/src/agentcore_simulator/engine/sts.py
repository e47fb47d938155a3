"""AWS STS on the same port (query protocol, XML answers): who am I, and temporary credentials."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from agentcore_simulator.engine.temporary_keys import issue
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.messages import Request
from agentcore_simulator.plane import ControlPlane
from agentcore_simulator.protocol import Caller

UNSIGNED = frozenset({"AssumeRoleWithWebIdentity"})
"""Actions that are called without a signature."""

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def parameters(request: Request) -> dict[str, str] | None:
    """The parameters of a query-protocol request to "/"; None for any other request."""
    if request.path not in {"", "/"}:
        return None
    body = request.body.decode("utf-8", "replace") if request.method == "POST" else ""
    given = parse_qs(f"{request.query}&{body}", keep_blank_values=True)
    return {name: values[0] for name, values in given.items()} if "Action" in given else None


def perform(plane: ControlPlane, query: dict[str, str], caller: Caller, now: float, request_id: str) -> bytes:
    """The answer to GetCallerIdentity, AssumeRole or AssumeRoleWithWebIdentity.

    Raises:
        ServiceError: a refused request, or InvalidAction for an action that is not simulated.
    """
    action = query["Action"]
    if action == "GetCallerIdentity":
        assumed = ":assumed-role/" in caller.arn
        user = f"AROASIMULATED:{caller.arn.rsplit('/', 1)[-1]}" if assumed else "AIDASIMULATED"
        result = (
            f"<Arn>{escape(caller.arn)}</Arn><UserId>{escape(user)}</UserId>"
            f"<Account>{caller.account}</Account>"
        )
    elif action == "AssumeRole":
        result = _assume_role(plane, query, now)
    elif action == "AssumeRoleWithWebIdentity":
        if not query.get("WebIdentityToken"):
            raise ServiceError("InvalidIdentityToken", "The web identity token is missing", status=400)
        result = _assume_role(plane, query, now) + "<Provider>simulator</Provider>"
    else:
        raise ServiceError("InvalidAction", f"The simulator does not have action {action}", status=400)
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def _assume_role(plane: ControlPlane, query: dict[str, str], now: float) -> str:
    issued = issue(
        plane,
        query.get("RoleArn", ""),
        query.get("RoleSessionName", ""),
        query.get("DurationSeconds"),
        now,
    )
    return (
        f"<AssumedRoleUser><AssumedRoleId>{issued.user_id}</AssumedRoleId>"
        f"<Arn>{escape(issued.arn)}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
        f"<SessionToken>{issued.token}</SessionToken>"
        f"<Expiration>{issued.expiration}</Expiration></Credentials>"
    )


def error(code: str, message: str, status: int, request_id: str) -> bytes:
    """An error answer."""
    kind = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
