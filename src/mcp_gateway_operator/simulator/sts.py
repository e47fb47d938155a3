"""AWS STS on the same port (query protocol, XML answers): who am I, and temporary credentials."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from .errors import ServiceError

if TYPE_CHECKING:
    from .identity import Caller
    from .messages import Request

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def parameters(request: Request) -> dict[str, str] | None:
    """The parameters of a query-protocol request to "/"; None for any other request."""
    if request.path not in {"", "/"}:
        return None
    body = request.body.decode("utf-8", "replace") if request.method == "POST" else ""
    given = parse_qs(f"{request.query}&{body}", keep_blank_values=True)
    return {name: values[0] for name, values in given.items()} if "Action" in given else None


def perform(action: str, caller: Caller, request_id: str) -> bytes:
    """The answer to an action.

    Raises:
        ServiceError: InvalidAction for an action that is not simulated.
    """
    if action != "GetCallerIdentity":
        raise ServiceError("InvalidAction", f"The simulator does not have action {action}")
    user = caller.arn.rsplit("/", 1)[-1]
    return answer(
        "GetCallerIdentity",
        f"<Arn>{escape(caller.arn)}</Arn><UserId>AIDASIMULATOR:{escape(user)}</UserId>"
        f"<Account>{caller.account}</Account>",
        request_id,
    )


def answer(action: str, result: str, request_id: str) -> bytes:
    """A success answer with the XML `result`."""
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def error(code: str, message: str, status: int, request_id: str) -> bytes:
    """An error answer."""
    kind = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
