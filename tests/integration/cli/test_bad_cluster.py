"""What is wrong with the cluster or the kubeconfig: one clear sentence each, and an end or another try."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from mcp_gateway_operator_demo.environment import free_port
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.site import GATEWAY, HOME, Site, ask, logs, said
from tests.support.forked import run_forked
from tests.support.polling import until


def run(*flags: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run the operator to its end; return the exit status, its log lines and all that it wrote."""
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        status, text = run_forked(_arguments(flags), log=log, environ=_environ(environment))
    return status, _lines(text), text


def run_program(*flags: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the program itself to its end, as `run` does; nothing is on its standard output."""
    done = subprocess.run(  # noqa: S603  -- our own program
        [sys.executable, "-m", "mcp_gateway_operator", *_arguments(flags)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=_environ(environment),
    )
    assert done.stdout == ""
    return done.returncode, _lines(done.stderr)


def _arguments(flags: Iterable[str]) -> list[str]:
    return ["run", f"--gateway-id={GATEWAY}", *flags]


def _environ(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", **environment}


def _lines(text: str) -> list[dict[str, Any]]:
    assert "Traceback" not in text
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def changed(kubeconfig: Path, to: Path, **members: Any) -> Path:
    """Copy a kubeconfig with members of its cluster, its user or itself replaced."""
    settings = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    settings["clusters"][0]["cluster"].update(members.pop("cluster", {}))
    if "user" in members:
        settings["users"][0]["user"] = members.pop("user")
    settings.update(members)
    to.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return to


def test_no_cluster_is_configured(tmp_path: Path) -> None:
    status, (line,) = run_program(HOME=str(tmp_path))
    assert status == 1
    assert line["level"] == "error"
    assert "--kubeconfig" in line["msg"]
    assert "KUBECONFIG" in line["msg"]


def test_a_namespace_for_the_lease_that_cannot_exist(kubeconfig: Path) -> None:
    status, lines, _ = run(f"--kubeconfig={kubeconfig}", POD_NAMESPACE="Ops_Team")
    assert status == 1
    assert "'Ops_Team'" in lines[-1]["msg"]
    assert "--leader-election-namespace" in lines[-1]["msg"]


def test_a_namespace_for_the_lease_that_does_not_exist_is_told_at_readyz(site: Site) -> None:
    process = site.start(
        "--leader-election-namespace=made-too-late", ready=False, kubeconfig=site.cluster.kubeconfig
    )
    until(lambda: said(process, "the lease could not be read or taken"), "the log says so")
    status, body = ask(process, "/readyz?verbose")
    assert status == 500
    assert "[-]lease failed: the lease cannot be taken" in body
    assert "made-too-late" in body
    site.cluster.create_namespace("made-too-late")
    process.wait_ready()
    site.create()
    site.until_ready()


def test_the_kubeconfig_does_not_exist(tmp_path: Path) -> None:
    status, (line,), _ = run(f"--kubeconfig={tmp_path}/nowhere")
    assert status == 1
    assert f"{tmp_path}/nowhere" in line["msg"]


def test_the_kubeconfig_is_not_one(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("clusters: 7", encoding="utf-8")
    status, (line,), _ = run(f"--kubeconfig={path}")
    assert status == 1
    assert str(path) in line["msg"]
    assert "cannot be used" in line["msg"]


def test_the_context_does_not_exist(kubeconfig: Path) -> None:
    status, (line,), _ = run(f"--kubeconfig={kubeconfig}", "--context=production")
    assert status == 1
    assert "production" in line["msg"]


def test_the_api_server_is_down(kubeconfig: Path, tmp_path: Path) -> None:
    dead = changed(kubeconfig, tmp_path / "dead", cluster={"server": f"https://127.0.0.1:{free_port()}"})
    status, lines, _ = run(f"--kubeconfig={dead}")
    assert status == 1
    assert "The Kubernetes API server cannot be reached" in lines[-1]["msg"]
    assert "kubeconfig" in lines[-1]["msg"]


def test_the_api_server_is_another_ones(kubeconfig: Path, tmp_path: Path, cluster: LocalCluster) -> None:
    """Its certificate is not signed by the kubeconfig's authority."""
    other = changed(kubeconfig, tmp_path / "other", cluster={})
    settings = yaml.safe_load(other.read_text(encoding="utf-8"))
    del settings["clusters"][0]["cluster"]["certificate-authority-data"]
    other.write_text(yaml.safe_dump(settings), encoding="utf-8")
    status, lines, _ = run(f"--kubeconfig={other}")
    assert cluster.server_url
    assert status == 1
    assert "certificate" in lines[-1]["msg"].lower()


def test_the_token_is_refused(kubeconfig: Path, tmp_path: Path) -> None:
    stale = changed(kubeconfig, tmp_path / "stale", user={"token": "expired-token-text"})
    status, lines, text = run(f"--kubeconfig={stale}")
    assert status == 1
    assert "does not accept the operator's credentials" in lines[-1]["msg"]
    assert "expired-token-text" not in text


def test_a_credential_plugin_that_fails_is_named(kubeconfig: Path, tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false", "args": []}
    broken = changed(kubeconfig, tmp_path / "broken", user={"exec": plugin})
    status, lines, _ = run(f"--kubeconfig={broken}")
    assert status == 1
    assert "/bin/false" in lines[-1]["msg"]


def test_without_any_rbac_it_waits_and_says_what_to_install(site: Site, tmp_path: Path) -> None:
    name = f"nobody-{site.namespace}"
    nobody = site.cluster.service_account_kubeconfig(HOME, name, path=tmp_path / "nobody.kubeconfig")
    process = site.start(kubeconfig=nobody, ready=False)
    (line,) = until(lambda: said(process, "may not list and watch MCPServers"), "it says what is missing")
    assert "Helm chart" in line["msg"]
    assert line["level"] == "error"
    code, body = ask(process, "/readyz")
    assert code == 500
    assert "may not list and watch MCPServers" in body
    assert ask(process, "/healthz")[0] == 200
    role = site.cluster.kubectl(
        "create",
        "clusterrolebinding",
        name,
        "--clusterrole=operator-it-manager-role",
        f"--serviceaccount={HOME}:{name}",
    )
    assert role.returncode == 0
    try:
        process.wait_ready()
        site.create()
        site.until_ready()
    finally:
        site.cluster.kubectl("delete", "clusterrolebinding", name)
    assert len(said(process, "may not list and watch MCPServers")) == 1


def test_no_token_or_key_is_ever_logged(site: Site) -> None:
    user = yaml.safe_load(site.kubeconfig.read_text(encoding="utf-8"))["users"][0]["user"]
    token = Path(user["tokenFile"]).read_text(encoding="utf-8")
    process = site.start("--zap-log-level=debug", environment={"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"})
    site.create()
    site.until_ready()
    text = process.log.read_text(encoding="utf-8")
    assert token not in text
    assert "wJalrXUtnFEMI" not in text
    assert not [line for line in logs(process) if line["level"] == "error"]


def test_the_health_port_is_taken(site: Site) -> None:
    first = site.start()
    address = first.health.removeprefix("http://")
    second = site.start(f"--health-probe-bind-address={address}", ready=False)
    assert second.wait(20.0)
    assert second.returncode == 1
    (line,) = [each for each in logs(second) if each["level"] == "error"]
    assert f"Cannot listen on {address}" in line["msg"]
    assert first.returncode is None
