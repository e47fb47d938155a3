"""Errors as the service reports them, with the HTTP codes of its model."""

from __future__ import annotations

from typing import Any, Literal

ValidationReason = Literal[
    "CannotParse", "FieldValidationFailed", "IdempotentParameterMismatchException", "ResourceConflict"
]

HTTP_STATUS = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "UnrecognizedClientException": 403,
    "ServiceQuotaExceededException": 402,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""HTTP status of each error. The token errors are common to all services, not part of this one's model."""


class ServiceError(Exception):
    """An error answer. `code` is the error's name on the wire, `extra` its further body members."""

    def __init__(self, code: str, message: str, *, status: int | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status if status is not None else HTTP_STATUS.get(code, 400)
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The answer's JSON body."""
        return {"message": self.message, **self.extra}


def validation(
    message: str,
    *,
    reason: ValidationReason = "FieldValidationFailed",
    fields: list[tuple[str, str]] | None = None,
) -> ServiceError:
    """ValidationException (400). `fields` are pairs of a member's path and what is wrong with it."""
    extra: dict[str, Any] = {"reason": reason}
    if fields:
        extra["fieldList"] = [{"name": name, "message": text} for name, text in fields]
    return ServiceError("ValidationException", message, **extra)


def conflict(message: str) -> ServiceError:
    """ConflictException (409)."""
    return ServiceError("ConflictException", message)


def not_found(message: str) -> ServiceError:
    """ResourceNotFoundException (404)."""
    return ServiceError("ResourceNotFoundException", message)


def denied(message: str) -> ServiceError:
    """AccessDeniedException (403)."""
    return ServiceError("AccessDeniedException", message)


def throttled(message: str = "Rate exceeded") -> ServiceError:
    """ThrottlingException (429)."""
    return ServiceError("ThrottlingException", message)


def quota_exceeded(message: str) -> ServiceError:
    """ServiceQuotaExceededException (402)."""
    return ServiceError("ServiceQuotaExceededException", message)
