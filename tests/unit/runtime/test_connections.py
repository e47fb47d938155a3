from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.runtime.connections import MAX_HEAD, _head, _take_chunks


def chunked(parts: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"


@given(
    parts=st.lists(st.binary(min_size=1, max_size=300), max_size=6),
    cuts=st.lists(st.integers(1, 40)),
    trailer=st.sampled_from([b"", b"X-Sum: 1\r\n"]),
)
def test_a_chunked_body_is_the_same_however_it_arrives(
    parts: list[bytes], cuts: list[int], trailer: bytes
) -> None:
    wire = chunked(parts, trailer)
    buffer, taken, ended = bytearray(), [], False
    pieces = iter([*cuts, len(wire)])
    while not ended and wire:
        size = next(pieces)
        buffer += wire[:size]
        wire = wire[size:]
        found, ended = _take_chunks(buffer)
        taken += found

    assert ended
    assert not wire
    assert b"".join(taken) == b"".join(parts)


@pytest.mark.parametrize("wire", [b"zz\r\n", b"\r\n", b"-1\r\nx", b"1" * (MAX_HEAD + 1)])
def test_what_is_no_chunk_is_an_error(wire: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        _take_chunks(bytearray(wire))


def test_a_header_cannot_smuggle_another_one_in() -> None:
    request = httpx2.Request("GET", "https://kubernetes.default.svc/api")
    request.headers.raw.append((b"Authorization", b"Bearer a\r\nX-Remote-User: admin"))
    request.headers["Authorization"] = "Bearer a\nX-Remote-User: admin"

    with pytest.raises(httpx2.LocalProtocolError):
        _head(request)
