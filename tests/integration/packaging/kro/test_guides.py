"""Every command of the two kro guides, typed in the guides' order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.operator.fixtures import MakeSite
from tests.integration.operator.site import Site
from tests.integration.packaging.conftest import ROOT
from tests.integration.packaging.kro.kinds import GRAPH, INSTANCE, SAMPLES, load

PLATFORM = (SAMPLES / "kro_mcpserver_platform_guide.md").read_text(encoding="utf-8")
DEVELOPER = (SAMPLES / "kro_mcpserver_developer_guide.md").read_text(encoding="utf-8")


def _commands(guide: str) -> list[str]:
    """Return the lines of the guide's shell blocks, and the kubectl commands in its sentences."""
    found: list[str] = []
    for block, inline in re.findall(r"^```sh\n(.*?)^```$|`(kubectl [^`]+)`", guide, re.MULTILINE | re.DOTALL):
        found += block.splitlines() if block else [inline]
    return [command.partition("  #")[0] for command in found]


def _type_all(commands: list[str], directory: Path, site: Site, home: Path) -> None:
    """Run commands as a user whose context is the site's namespace."""
    tools = home / "tools"
    tools.mkdir()
    (tools / "kubectl").symlink_to(site.cluster._binaries.kubectl)
    settings = yaml.safe_load(site.cluster.kubeconfig.read_text(encoding="utf-8"))
    settings["contexts"][0]["context"]["namespace"] = site.namespace
    kubeconfig = home / "user.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(yaml.safe_dump(settings), encoding="utf-8")
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(  # noqa: S603  -- the guides' own commands
            ["/bin/sh", "-euc", command],
            cwd=directory,
            env={"PATH": path, "HOME": str(home), "KUBECONFIG": str(kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"


@pytest.mark.usefixtures("kro")
def test_platform_guide(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    site.create("weather")
    commands = _commands(PLATFORM)
    assert len(commands) == 5

    _type_all(commands, ROOT, site, tmp_path)


@pytest.mark.usefixtures("kro")
def test_developer_guide(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    site.create("my-tool")
    tool = load(INSTANCE)
    tool["metadata"]["name"] = tool["spec"]["name"] = "my-tool"
    (tmp_path / "my-tool.yaml").write_text(yaml.safe_dump(tool), encoding="utf-8")
    commands = _commands(DEVELOPER)
    assert len(commands) == 6

    _type_all(commands, tmp_path, site, tmp_path)

    annotations = (site.get("my-tool") or {})["metadata"]["annotations"]
    assert "mcpgateway.bedrock.aws/sync-requested-at" in annotations
    left = site.cluster.kubectl("get", "agenttools", "--namespace", site.namespace, "--output=name")
    assert left.stdout == "", "the last command has deleted it"


def test_the_role_of_the_platform_guide_is_accepted(kro: LocalCluster) -> None:
    (role,) = re.findall(r"^```yaml\n(.*?)^```$", PLATFORM, re.MULTILINE | re.DOTALL)

    kro.kubectl("create", "--dry-run=server", "--validate=strict", "--filename", "-", input=role)


def test_the_developer_guide_names_fields_and_defaults_of_the_graph() -> None:
    fields = load(GRAPH)["spec"]["schema"]["spec"]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|.*\| (.*) \|$", DEVELOPER, re.MULTILINE)
    named = {
        name: default for names, default in rows for name in re.findall(r"`(\w+)`", names) if name in fields
    }

    assert set(load(INSTANCE)["spec"]) <= set(named)
    for name, defaults in named.items():
        given = re.search(r'default="?([^"\s]+)', fields[name])
        if given and given[1] != "[]":
            assert f"`{given[1]}`" in defaults, name
