"""Credential plugins as real programs: slow, loud, broken, and with secrets on their tongue."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_operator.runtime import credentials
from mcp_gateway_operator.runtime.credentials import EXEC_BYTES, CredentialsError, ExecCredentials
from mcp_gateway_operator.runtime.kubeconfig import Cluster, ExecPlugin, Extension

V1 = "client.authentication.k8s.io/v1"
Make = Callable[..., ExecCredentials]
GOOD = 'echo \'{"status": {"token": "good"}}\''


@pytest.fixture
def plugin(tmp_path: Path) -> Make:
    """Make a plugin of a shell script."""

    def make(script: str, cluster: Cluster | None = None, **more: Any) -> ExecCredentials:
        path = tmp_path / "plugin"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return ExecCredentials(ExecPlugin(command=str(path), api_version=V1, **more), cluster or Cluster())

    return make


async def refusal(made: ExecCredentials) -> str:
    async with asyncio.timeout(20):
        with pytest.raises(CredentialsError) as error:
            await made.authorization()
    assert "plugin" in str(error.value), "it is named"
    return str(error.value)


async def token_of(made: ExecCredentials) -> str:
    async with asyncio.timeout(20):
        return await made.authorization()


async def made_by(plugin: Make, script: str, **more: Any) -> ExecCredentials:
    return await asyncio.to_thread(lambda: plugin(script, **more))


async def test_a_token_is_taken_whatever_stands_on_the_standard_error(plugin: Make) -> None:
    loud = "head -c 5000000 /dev/zero >&2"
    assert await token_of(await made_by(plugin, f"{loud}\n{GOOD}\n{loud}")) == "Bearer good"


@pytest.mark.parametrize("endless", ["yes s3cret", f"head -c {EXEC_BYTES + 1} /dev/zero", f"{GOOD}; yes"])
async def test_what_a_plugin_prints_is_bounded(plugin: Make, endless: str) -> None:
    words = await refusal(await made_by(plugin, endless))
    assert f"more than {EXEC_BYTES} bytes" in words


async def test_as_much_as_is_allowed_is_taken(plugin: Make) -> None:
    padding = f"head -c {EXEC_BYTES - 1000} /dev/zero | tr '\\0' ' '"
    assert await token_of(await made_by(plugin, f"{padding}; {GOOD}")) == "Bearer good"


@pytest.mark.parametrize(
    "script",
    [
        "echo s3cret >&2; exit 1",
        "echo 'token: s3cret'; exit 1",
        "echo s3cret",
        'echo \'{"status": "s3cret"}\'',
        'echo \'{"status": {"token": ["s3cret"]}}\'',
        'echo \'{"status": {"notAToken": "s3cret"}}\'',
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "s3cret"}}\'',
        'echo \'{"status": {"token": "x", "clientCertificateData": "s3cret", "clientKeyData": "s3cret"}}\'',
        'echo \'{"status": {"token": "s3cret", "expirationTimestamp": "tomorrow"}}\'',
        "printf '\\377\\376s3cret'",
        "kill -9 $$",
        "",
    ],
)
async def test_a_plugin_that_fails_is_told_without_a_word_of_its_own(plugin: Make, script: str) -> None:
    assert "s3cret" not in await refusal(await made_by(plugin, script))


@pytest.mark.parametrize("lingers", ["sleep 1000", "sleep 1000 & sleep 1000", f"sleep 1000 & {GOOD}"])
async def test_a_plugin_that_takes_too_long_is_ended_with_its_children(
    plugin: Make, tmp_path: Path, lingers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "EXEC_SECONDS", 0.5)
    assert "longer than 0.5 s" in await refusal(
        await made_by(plugin, f"echo $$ > {tmp_path}/group; {lingers}")
    )
    group = int(await asyncio.to_thread((tmp_path / "group").read_text))
    async with asyncio.timeout(20):
        # Killed at once; whoever inherits the children takes a moment to bury them.
        while await asyncio.to_thread(_alive, group):
            pass


async def test_a_child_that_left_and_keeps_the_pipe_open_holds_nobody_up(
    plugin: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "EXEC_SECONDS", 0.5)
    leaves = f"setsid sh -c 'echo $$ > {tmp_path}/child; exec sleep 1000' &"
    waits = f"while ! [ -s {tmp_path}/child ]; do sleep 0.01; done"
    try:
        assert "longer than 0.5 s" in await refusal(await made_by(plugin, f"{leaves}\n{waits}\nsleep 1000"))
    finally:
        os.kill(int(await asyncio.to_thread((tmp_path / "child").read_text)), signal.SIGKILL)


def _alive(group: int) -> bool:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


async def test_a_plugin_that_is_not_there_is_told_with_the_hint_of_the_kubeconfig() -> None:
    plugin = ExecPlugin(command="/no/such/plugin", api_version=V1, install_hint="Install it from the shop.")
    words = await refusal(ExecCredentials(plugin, Cluster()))
    assert "cannot be started" in words
    assert words.endswith("Install it from the shop.")


async def test_many_requests_at_a_time_cost_one_call(plugin: Make, tmp_path: Path) -> None:
    made = await made_by(plugin, f"echo x >> {tmp_path}/calls; {GOOD}")
    assert set(await asyncio.gather(*(made.authorization() for _ in range(20)))) == {"Bearer good"}
    assert await asyncio.to_thread((tmp_path / "calls").read_text) == "x\n"


@pytest.mark.parametrize("provide", [False, True])
async def test_the_plugin_is_told_of_the_cluster_if_it_wants_to(
    plugin: Make, tmp_path: Path, *, provide: bool
) -> None:
    cluster = Cluster(
        server="https://a",
        tls_server_name="b",
        certificate_authority_data="Yw==",
        proxy_url="http://p",
        extensions=[
            Extension("other", {"a": 1}),
            Extension("client.authentication.k8s.io/exec", {"audience": "x"}),
        ],
    )
    script = f'printf %s "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; {GOOD}'
    assert await token_of(await made_by(plugin, script, cluster=cluster, provide_cluster_info=provide))
    info = json.loads(await asyncio.to_thread((tmp_path / "info").read_text))
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == (V1, "ExecCredential", False)
    assert info["spec"].get("cluster") == (
        {
            "server": "https://a",
            "tls-server-name": "b",
            "certificate-authority-data": "Yw==",
            "proxy-url": "http://p",
            "config": {"audience": "x"},
        }
        if provide
        else None
    )


async def test_a_plugin_reads_nothing_from_our_terminal(plugin: Make) -> None:
    assert await token_of(await made_by(plugin, f"cat; {GOOD}")) == "Bearer good"
