"""The transport against servers that misbehave, and against credentials that change."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from mcp_gateway_operator.runtime import answers
from mcp_gateway_operator.runtime.cluster import ApiError, WatchEvent
from mcp_gateway_operator.runtime.kubeconfig import ClusterConfigError
from mcp_gateway_operator.runtime.transport import KubeCluster, connect
from tests.support.raw_server import always, connected, http, serving, write_kubeconfig
from tests.support.things import THINGS

EVENT = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
NO_TEXT = b'{"metadata":{"resourceVersion":"\xff"},"type":"\xff","message":"\xff"}'
"""JSON but for its encoding."""
TOO_DEEP = b'{"x":' + b"[" * 50_000


async def read_watch(cluster: KubeCluster) -> list[WatchEvent]:
    return [event async for event in cluster.watch(THINGS, resource_version="5", timeout=300)]


async def test_a_busy_server_says_when_to_come_back(tmp_path: Path) -> None:
    body = b'{"kind":"Status","reason":"TooManyRequests","message":"slow down"}'
    async with connected(always(http("429 Too Many Requests", body, "Retry-After: 7")), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.get(THINGS, "default", "a")
    assert (error.value.status, error.value.reason, error.value.retry_after) == (429, "TooManyRequests", 7)
    assert error.value.unavailable


async def test_a_load_balancers_html_page_is_an_error_like_any_other(tmp_path: Path) -> None:
    async with connected(always(http("502 Bad Gateway", b"<html>oops</html>")), tmp_path) as cluster:
        with pytest.raises(ApiError, match="oops") as error:
            await cluster.get(THINGS, "default", "a")
    assert error.value.status == 502


@pytest.mark.parametrize("body", [NO_TEXT, TOO_DEEP])
async def test_an_error_page_that_cannot_be_read_keeps_its_status(tmp_path: Path, body: bytes) -> None:
    async with connected(always(http("503 Service Unavailable", body)), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.get(THINGS, "default", "a")
    assert error.value.status == 503
    assert error.value.message


async def test_no_answer_is_told_apart_from_a_refusal(tmp_path: Path) -> None:
    async with connected(always(b"", then_close=True), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.create(THINGS, "default", {})
    assert error.value.status == 0
    nowhere = await asyncio.to_thread(
        lambda: connect(kubeconfig=write_kubeconfig(tmp_path / "nowhere", "http://127.0.0.1:9", {}))
    )
    with pytest.raises(ApiError) as refused:
        await nowhere.get(THINGS, "default", "a")
    assert refused.value.status == 0
    await nowhere.close()


async def test_a_connection_is_used_again_until_the_server_ends_it(tmp_path: Path) -> None:
    used: list[asyncio.StreamWriter] = []

    async def answer(_line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        used.append(writer)
        writer.write(http("200 OK", b"{}"))

    async with connected(answer, tmp_path) as cluster:
        for _ in range(2):
            await cluster.get(THINGS, "default", "a")
        used[-1].close()
        await used[-1].wait_closed()
        await cluster.get(THINGS, "default", "a")

    assert used[0] is used[1]
    assert used[2] is not used[1]


async def test_an_answer_that_announces_another_is_passed_over(tmp_path: Path) -> None:
    reply = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http("200 OK", b'{"a":1}')
    async with connected(always(reply), tmp_path) as cluster:
        assert await cluster.get(THINGS, "default", "a") == b'{"a":1}'


@pytest.mark.parametrize(
    "reply",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
async def test_an_answer_that_is_not_http_or_not_whole_is_no_answer(tmp_path: Path, reply: bytes) -> None:
    async with connected(always(reply, then_close=True), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.get(THINGS, "default", "a")
    assert error.value.status == 0


@pytest.mark.parametrize("body", [b'{"items": [', NO_TEXT, TOO_DEEP])
async def test_a_list_that_is_not_json_is_an_error(tmp_path: Path, body: bytes) -> None:
    async with connected(always(http("200 OK", body)), tmp_path) as cluster:
        with pytest.raises(ApiError, match="not readable"):
            await cluster.list(THINGS)


async def test_events_are_read_across_packets(tmp_path: Path) -> None:
    async def answer(line: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        assert "allowWatchBookmarks=true" in line
        assert "resourceVersion=5" in line
        assert "timeoutSeconds=300" in line
        stream = EVENT * 3
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(stream)}\r\n\r\n".encode())
        for part in (stream[:20], stream[20:70], stream[70:]):
            writer.write(part)
            await writer.drain()

    async with connected(answer, tmp_path) as cluster:
        assert [event.type for event in await read_watch(cluster)] == ["ADDED"] * 3


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (EVENT + b'{"type": "MODIF\n', "BrokenLine"),
        (EVENT + b'{"type": "MODIF', "BrokenLine"),
        (EVENT + NO_TEXT + b"\n", "BrokenLine"),
        (EVENT + TOO_DEEP + b"\n", "BrokenLine"),
        (b'{"type":"' + b"x" * 70_000 + b"\n", "LineTooLong"),
    ],
)
async def test_a_broken_stream_is_an_error(
    stream: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_LINE", 60_000)
    async with connected(always(http("200 OK", stream)), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await read_watch(cluster)
    assert error.value.reason == reason


async def test_a_connection_cut_in_a_watch_is_an_error(tmp_path: Path) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + EVENT
    async with connected(always(reply, then_close=True), tmp_path) as cluster:
        with pytest.raises(ApiError) as error:
            await read_watch(cluster)
    assert error.value.status == 0


async def test_a_rotated_token_file_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    await asyncio.to_thread(token.write_text, "old\n")
    accepted = {"bearer old"}

    async def answer(_line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        good = headers["authorization"] in accepted
        writer.write(http("200 OK", b"{}") if good else http("401 Unauthorized", b"{}"))

    async with connected(answer, tmp_path, tokenFile=str(token)) as cluster:
        await cluster.get_path("/version")
        accepted.clear()
        accepted.add("bearer new")
        with pytest.raises(ApiError) as error:
            await cluster.get_path("/version")
        assert error.value.status == 401
        await asyncio.to_thread(token.write_text, "new\n")
        await asyncio.gather(*(cluster.get_path("/version") for _ in range(5)))


async def counting_plugin(directory: Path) -> dict[str, object]:
    """Make a credential plugin whose tokens are hello1, hello2 and so on; return the user that runs it."""
    plugin = directory / "plugin"

    def write() -> None:
        plugin.write_text(
            "#!/bin/sh\n"
            f'echo x >> "{directory}/calls"\n'
            f'n=$(wc -l < "{directory}/calls")\n'
            'echo "$KUBERNETES_EXEC_INFO" | grep -q ExecCredential || exit 3\n'
            'echo "{\\"status\\": {\\"token\\": \\"$GREETING$((n))\\"}}"\n'
        )
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)

    await asyncio.to_thread(write)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "env": [{"name": "GREETING", "value": "hello"}],
        "args": None,
    }


async def test_a_credential_plugin_gives_tokens_and_is_asked_again_when_they_are_refused(
    tmp_path: Path,
) -> None:
    user = await counting_plugin(tmp_path)
    seen: list[str] = []

    async def answer(_line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        seen.append(headers["authorization"])
        writer.write(http("401 Unauthorized", b"{}") if seen.count(seen[-1]) > 2 else http("200 OK", b"{}"))

    async with connected(answer, tmp_path, exec=user) as cluster:
        for _ in range(3):
            await cluster.get_path("/version")
    assert seen == ["bearer hello1"] * 3 + ["bearer hello2"]


async def test_a_plugin_whose_every_token_is_new_and_refused_is_asked_once_more_for_a_request(
    tmp_path: Path,
) -> None:
    """`aws eks get-token` signs another one at every call, also for a role that the cluster does not know."""
    user = await counting_plugin(tmp_path)
    seen: list[str] = []

    async def answer(_line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        seen.append(headers["authorization"])
        # Should it go on for ever, the test does not.
        writer.write(http("401 Unauthorized" if len(seen) < 20 else "200 OK", b"{}"))

    async with connected(answer, tmp_path, exec=user) as cluster:
        with pytest.raises(ApiError) as error:
            await cluster.get_path("/version")
    assert error.value.status == 401
    assert seen == ["bearer hello1", "bearer hello2"]


async def test_a_plugin_that_fails_or_is_missing_is_named(tmp_path: Path) -> None:
    for command, reason in (("/bin/false", "failed"), ("/no/such/plugin", "cannot be started")):
        user = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command}
        async with connected(always(http("200 OK", b"{}")), tmp_path, exec=user) as cluster:
            with pytest.raises(ApiError, match=reason) as error:
                await cluster.get_path("/version")
            assert command in error.value.message


async def test_refused_credentials_make_it_load_its_configuration_again(tmp_path: Path) -> None:
    good = "bearer one"

    async def answer(_line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        ok = headers["authorization"] == good
        writer.write(http("200 OK", b"{}") if ok else http("401 Unauthorized", b"{}"))

    async with serving(answer) as url:
        path = tmp_path / "kubeconfig"
        cluster = await asyncio.to_thread(
            lambda: connect(kubeconfig=write_kubeconfig(path, url, {"token": "one"}))
        )
        await cluster.get_path("/version")
        good = "bearer two"
        await asyncio.to_thread(write_kubeconfig, path, url, {"token": "two"})
        with pytest.raises(ApiError):
            await cluster.get_path("/version")
        await cluster.get_path("/version")
        await cluster.close()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterConfigError, match="nowhere"):
        connect(kubeconfig=str(tmp_path / "nowhere"))


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1", {})
    with pytest.raises(ClusterConfigError, match="staging"):
        connect(kubeconfig=path, context="staging")


@pytest.mark.parametrize("text", ["", "[]", "{", "clusters: 5", "a: b"])
def test_a_file_that_is_no_kubeconfig_is_a_sentence_not_a_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ClusterConfigError, match="cannot be used"):
        connect(kubeconfig=str(path))


def test_certificates_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    user = {"client-certificate": "missing.pem", "client-key": "missing.key"}
    path = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", user)
    with pytest.raises(ClusterConfigError, match="cannot be used"):
        connect(kubeconfig=path)


def test_without_any_configuration_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterConfigError, match="--kubeconfig"):
        connect()


def test_the_environment_variable_comes_before_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write_kubeconfig(tmp_path / "one", "http://127.0.0.1:1", {})
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{path}")
    connect()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(ClusterConfigError, match="missing"):
        connect()
