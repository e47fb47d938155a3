"""The commands of docs/gitops.md, as they stand on the page, with the real kubectl."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from agentcore_simulator import Settings
from agentcore_simulator.settings import Durations
from mcp_gateway_operator_demo.localcluster import LocalCluster
from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.kube import condition
from tests.integration.operator.site import GATEWAY, Site

PAGE = (project_dir("docs") / "gitops.md").read_text(encoding="utf-8")
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: weather}
spec:
  selector: {matchLabels: {app: weather}}
  template:
    metadata: {labels: {app: weather}}
    spec: {containers: [{name: server, image: server}]}
"""


def blocks(title: str) -> list[str]:
    """Return the shell blocks under a heading, with the reader's names filled in."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\b(NAME|SERVER)\b", "weather", block) for block in found]


class Shell:
    """A reader's shell: kubectl on PATH, its context in the site's namespace."""

    def __init__(self, cluster: LocalCluster, site: Site, directory: Path) -> None:
        self._directory = directory
        settings = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
        for context in settings["contexts"]:
            context["context"]["namespace"] = site.namespace
        config = directory / "reader.kubeconfig"
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        tools = directory / "tools"
        tools.mkdir()
        (tools / "kubectl").symlink_to(cluster._binaries.kubectl)
        path = f"{tools}:{os.environ['PATH']}"
        self._environment = {"PATH": path, "HOME": str(directory), "KUBECONFIG": str(config)}

    def __call__(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a block; its last command decides."""
        return subprocess.run(  # noqa: S603  -- the page's own lines
            ["/bin/sh", "-euc", text],
            env=self._environment,
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture
def slow(make_site: MakeSite) -> Site:
    """A site whose AWS takes its time, with an operator at work."""
    settings = Settings(durations=Durations(creating=1.2, updating=1.2, synchronizing=1.2, deleting=1.0))
    site = make_site(settings=settings)
    site.start()
    return site


@pytest.fixture
def shell(cluster: LocalCluster, slow: Site, tmp_path: Path) -> Shell:
    """See `Shell`."""
    return Shell(cluster, slow, tmp_path)


def test_scripts_wait_for_the_newest_generation_and_for_the_end(slow: Site, shell: Shell) -> None:
    apply_and_wait, why, delete_and_wait = blocks("In scripts")
    manifest = {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "weather"},
        "spec": {"endpoint": "https://one.example.com/mcp", "capabilities": ["tools"], "authType": "NoAuth"},
    }
    for endpoint in ("https://one.example.com/mcp", "https://two.example.com/mcp"):
        manifest["spec"] = {**manifest["spec"], "endpoint": endpoint}  # type: ignore[dict-item]
        (shell._directory / "mcpserver.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
        done = shell(apply_and_wait)
        assert done.returncode == 0, done.stderr
        (target,) = slow.targets()
        assert target["status"] == "READY"
        assert target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] == endpoint
    assert shell(why).stdout == "Nothing waits for a user."
    done = shell(delete_and_wait)
    assert done.returncode == 0, done.stderr
    assert slow.targets() == []


def test_the_lines_for_ci_end_when_this_very_sync_is_done(
    cluster: LocalCluster, slow: Site, shell: Shell
) -> None:
    (sync,) = blocks("In CI: new tools after a rollout")
    _roll_out(cluster, slow.namespace)
    slow.create()
    slow.until_ready()
    # Each takes AWS more than a second, so that the stamps, which are whole seconds, differ.
    for number in (1, 2):
        (before,) = slow.targets()
        done = shell(sync)
        assert done.returncode == 0, done.stderr
        (after,) = slow.targets()
        assert after["status"] == "READY"
        assert after["lastSynchronizedAt"] != before.get("lastSynchronizedAt")
        obj = slow.get()
        assert obj is not None
        asked = obj["metadata"]["annotations"]["mcpgateway.bedrock.aws/sync-requested-at"]
        assert obj["status"]["lastSyncRequest"] == asked
        # AWS's own time of the indexing, which began after it was asked for.
        assert obj["status"]["toolsSynchronizedAt"] >= asked
        assert slow.simulator.admin.counts()["operations"]["SynchronizeGatewayTargets"] == number


def test_the_lines_for_ci_fail_when_the_new_version_does_not_answer(
    cluster: LocalCluster, slow: Site, shell: Shell
) -> None:
    (sync,) = blocks("In CI: new tools after a rollout")
    _roll_out(cluster, slow.namespace)
    slow.create()
    slow.until_ready()
    slow.simulator.admin.add_scenario(outcome="failed")
    done = shell(sync.replace("--for=condition=Ready --timeout=5m", "--for=condition=Ready --timeout=3s"))
    assert done.returncode != 0
    assert "timed out" in done.stderr
    assert condition(slow.get())["reason"] in {"TargetFailed", "Synchronizing"}


def test_the_lines_for_ci_end_at_once_where_nothing_is_indexed(
    cluster: LocalCluster, slow: Site, shell: Shell
) -> None:
    (sync,) = blocks("In CI: new tools after a rollout")
    _roll_out(cluster, slow.namespace)
    slow.create(listingMode="DYNAMIC")
    slow.until_ready()
    done = shell(sync)
    assert done.returncode == 0, done.stderr
    assert "SynchronizeGatewayTargets" not in slow.simulator.admin.counts()["operations"]
    assert slow.targets(GATEWAY)[0]["status"] == "READY"


def _roll_out(cluster: LocalCluster, namespace: str) -> None:
    """Make the Deployment of the page, and say of it what its controller would say."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.post(path, yaml.safe_load(DEPLOYMENT))
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    cluster.patch(f"{path}/weather/status", {"status": {"observedGeneration": 1, **counts}})
