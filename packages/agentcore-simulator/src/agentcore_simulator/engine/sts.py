"""AWS STS on the same port (query protocol, XML answers): who am I, and temporary credentials."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from agentcore_simulator.engine.assume_role import assume_role, assume_role_with_web_identity, note
from agentcore_simulator.engine.temporary_keys import Issued
from agentcore_simulator.errors import ServiceError
from agentcore_simulator.messages import Request
from agentcore_simulator.plane import ControlPlane
from agentcore_simulator.protocol import Caller, Entry

UNSIGNED = frozenset({"AssumeRoleWithWebIdentity"})
"""Actions that are called without a signature."""

__all__ = ["UNSIGNED", "error", "note", "parameters", "perform"]

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def parameters(request: Request) -> dict[str, str] | None:
    """The parameters of a query-protocol request to "/"; None for any other request."""
    if request.path not in {"", "/"}:
        return None
    body = request.body.decode("utf-8", "replace") if request.method == "POST" else ""
    given = parse_qs(f"{request.query}&{body}", keep_blank_values=True)
    return {name: values[0] for name, values in given.items()} if "Action" in given else None


def perform(plane: ControlPlane, query: dict[str, str], caller: Caller, now: float, entry: Entry) -> bytes:
    """The answer to GetCallerIdentity, AssumeRole or AssumeRoleWithWebIdentity; the rest goes into `entry`.

    Raises:
        ServiceError: a refused request, or InvalidAction for an action that is not simulated.
    """
    action = query["Action"]
    if action == "GetCallerIdentity":
        session = caller.session
        user = "AIDASIMULATED" if session is None else session.user_id or f"AROASIMULATED:{session.name}"
        result = (
            f"<Arn>{escape(caller.arn)}</Arn><UserId>{escape(user)}</UserId>"
            f"<Account>{caller.account}</Account>"
        )
    elif action == "AssumeRole":
        result = _credentials(assume_role(plane, query, caller, now, entry))
    elif action == "AssumeRoleWithWebIdentity":
        issued = assume_role_with_web_identity(plane, query, now)
        result = _credentials(issued) + "<Provider>simulator</Provider>"
    else:
        raise ServiceError("InvalidAction", f"The simulator does not have action {action}", status=400)
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{entry.request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def _credentials(issued: Issued) -> str:
    return (
        f"<AssumedRoleUser><AssumedRoleId>{escape(issued.session.user_id)}</AssumedRoleId>"
        f"<Arn>{escape(issued.session.arn)}</Arn></AssumedRoleUser>"
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
