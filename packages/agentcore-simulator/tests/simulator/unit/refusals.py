"""How tests say which error a call must end in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refusal(code: str, status: int, text: str = "", *, reason: str | None = None) -> Iterator[None]:
    """The call inside must be refused with this code, HTTP status, message part and validation reason."""
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert text in answer["Error"]["Message"]
    if reason is not None:
        assert answer.get("reason") == reason
