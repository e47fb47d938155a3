"""What the guides tell readers to type and to write, done here.

Every command of the guides is either run, in the guide's order, or is one of those that need what no test
has: an AWS account, a container engine, nodes. A command that is neither fails the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from botocore.loaders import Loader

from mcp_gateway_operator.agentcore.aws.sdk import OPERATIONS
from mcp_gateway_operator_demo.localcluster import LocalCluster
from tests.integration.packaging.conftest import DOCS, HERE, RARELY_COLLECTING, ROOT, Helm, blocks
from tests.support.crds import remove_crds

PLACES = {
    "REGISTRY": "registry.example.com/team",
    "ROLE_ARN": "arn:aws:iam::123456789012:role/mcp-gateway-operator",
    "GATEWAY_ID": "tools-abcdefghij",
    "REGION": "us-east-1",
    "ACCOUNT": "123456789012",
    "TEAM": "team-a",
    "TAG": "1.2.3",
}
ELSEWHERE = (
    "aws ",
    "docker ",
    "make docker-",
    "make run ",  # runs until it is stopped; the operator as a process has tests of its own
    ".venv/bin/python -m pytest ",  # a test that runs where it is shown
    "kubectl run ",  # nothing runs pods here
    "make demo",
    "make test",
    "make unit",
    "make integration",
    "make lint-fix",
    "kubectl get mcps github -o jsonpath",  # these speak of objects that the reader has
    "kubectl annotate mcps github",
    "kubectl patch mcps weather",  # and the move itself is told with these lines among the operator's tests
    "kubectl wait mcps weather",
)

Shell = Callable[[str], subprocess.CompletedProcess[str]]


def _commands(path: Path) -> list[str]:
    """Return the guide's commands with their placeholders filled in."""
    found = []
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            command = line
            for name, value in PLACES.items():
                command = re.sub(rf"\b{name}\b(?!=)", value, command)
            found.append(" ".join(command.split()))
    return found


@pytest.fixture
def shell(bare: LocalCluster, live_helm: Helm, tmp_path: Path) -> Shell:
    """A reader's shell in the root of the tree: kubectl and helm on PATH, the cluster in KUBECONFIG."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "helm").symlink_to(live_helm.program)
    (tools / "kubectl").symlink_to(bare.kubectl_path)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(bare.kubeconfig),
        **RARELY_COLLECTING,
        "MAKEFLAGS": "--old-file=.venv/runtime.stamp --old-file=.venv/local.stamp --old-file=.venv/dev.stamp",
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  -- the guides' own commands
            ["/bin/sh", "-euc", command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    return run


def _run_all(shell: Shell, commands: list[str]) -> int:
    ran = 0
    for command in commands:
        if command.startswith(ELSEWHERE):
            continue
        done = shell(command)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        ran += 1
    return ran


@pytest.mark.usefixtures("dist")
def test_setup(shell: Shell, live_helm: Helm, bare: LocalCluster) -> None:
    """All of it once, and helm's commands with the older helm."""
    commands = _commands(DOCS / "SETUP.md")
    if live_helm.major == 3:
        assert _run_all(shell, [command for command in commands if command.startswith("helm ")]) == 2
        return
    try:
        assert _run_all(shell, commands) >= 12
    finally:
        bare.kubectl("delete", "clusterrolebinding", "metrics-reader", "--ignore-not-found")
        bare.kubectl("delete", "rolebinding", "mcpservers", "--namespace=team-a", "--ignore-not-found")
        remove_crds(bare)


@pytest.mark.parametrize("helm", [4], indirect=True, ids=["helm4"])
def test_multi_arch(shell: Shell, live_helm: Helm) -> None:
    """With one helm: the migration upgrades by the same command with both."""
    name = "mcp-gateway-operator"
    live_helm("install", name, "helm/" + name, "--namespace", f"{name}-system", "--create-namespace")

    assert _run_all(shell, _commands(DOCS / "MULTI-ARCH-DEPLOYMENT.md")) >= 3


def test_migration_and_back(shell: Shell, bare: LocalCluster, live_helm: Helm) -> None:
    """From chart 0.1 by the guide's commands, and by its last one back to it."""
    name = "mcp-gateway-operator"
    bare.apply(HERE / "crd-0.1.yaml")
    place = ("--namespace", f"{name}-system", "--create-namespace")
    live_helm("install", name, str(HERE / "chart-0.1"), *place)

    try:
        assert _run_all(shell, _commands(DOCS / "migration.md")) >= 3
    finally:
        wide = ("clusterrole,clusterrolebinding", f"{name}-go", "--ignore-not-found")
        bare.kubectl("delete", *wide)

    image = "jsonpath={.spec.template.spec.containers[*].image}"
    shown = bare.kubectl("--namespace", f"{name}-system", "get", "deployment", name, "-o", image)
    assert shown.stdout == "mcp-gateway-operator:0.1.0"


def test_chart_readme(shell: Shell) -> None:
    assert _run_all(shell, _commands(ROOT / "helm" / "mcp-gateway-operator" / "README.md")) == 2


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/AUTHENTICATION-REQUIREMENTS.md"])
def test_other_commands_are_known(name: str) -> None:
    commands = _commands(ROOT / name)

    assert commands
    assert [command for command in commands if not command.startswith((*ELSEWHERE, "make help"))] == []


def test_values_are_taken(one_helm: Helm, tmp_path: Path) -> None:
    """The pieces of values files in the guides go through the chart's schema."""
    for guide in (DOCS / "SETUP.md", DOCS / "MULTI-ARCH-DEPLOYMENT.md"):
        for number, block in enumerate(blocks(guide, "yaml")):
            document = yaml.safe_load(block)
            if "kind" not in document:
                piece = tmp_path / f"{guide.stem}-{number}.yaml"
                piece.write_text(block)
                one_helm.template("x", "default", "--values", str(piece))


def test_the_policy_has_the_actions_in_use_and_no_other() -> None:
    policy = json.loads((DOCS / "iam" / "policy.json").read_text())

    (statement,) = policy["Statement"]
    optional = json.loads((DOCS / "iam" / "policy-list-gateways.json").read_text())["Statement"][0]["Action"]
    needed = {f"bedrock-agentcore:{name}" for name in OPERATIONS} - {optional}
    assert len(needed) == len(OPERATIONS) - 1
    assert statement["Action"] == sorted(needed)
    assert statement["Resource"].startswith("arn:aws:bedrock-agentcore:")


@pytest.mark.parametrize("path", sorted((DOCS / "iam").glob("*.json")), ids=lambda path: path.stem)
def test_policies_are_well_formed(path: Path) -> None:
    policy = json.loads(path.read_text())

    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Action"]
        assert ("Principal" in statement) is path.stem.startswith("trust")


@pytest.mark.parametrize(("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")])
def test_policies_can_be_written_for_other_partitions(tmp_path: Path, partition: str, region: str) -> None:
    """By the guide's command, with the partition put in: then no ARN of the commercial Regions is left."""
    (line,) = [
        line for block in blocks(DOCS / "SETUP.md", "sh") for line in block.splitlines() if "sed " in line
    ]
    shutil.copytree(DOCS / "iam", tmp_path / "docs" / "iam")
    (tmp_path / "dist" / "iam").mkdir(parents=True)
    command = line.replace("aws-us-gov", partition)
    subprocess.run(["/bin/sh", "-euc", command], cwd=tmp_path, check=True)  # noqa: S603  -- the guide's own command

    written = {path.name: path.read_text() for path in (tmp_path / "dist" / "iam").iterdir()}
    assert set(written) == {path.name for path in (DOCS / "iam").iterdir()}
    for text in written.values():
        assert set(re.findall(r"arn:([^:]*):", text)) <= {partition}
    places = {**PLACES, "REGION": region}
    arn = json.loads(written["policy.json"])["Statement"][0]["Resource"]
    for name, value in places.items():
        arn = re.sub(rf"\b{name}\b", value, arn)
    assert arn == f"arn:{partition}:bedrock-agentcore:{region}:123456789012:gateway/tools-abcdefghij"
    assert re.fullmatch(
        Loader().load_service_model("bedrock-agentcore-control", "service-2")["shapes"]["GatewayArn"][
            "pattern"
        ],
        arn,
    )


def test_trust_is_given_to_the_charts_service_account() -> None:
    account = "mcp-gateway-operator"
    namespace = f"{account}-system"
    (pod_identity,) = json.loads((DOCS / "iam/trust-pod-identity.json").read_text())["Statement"]
    tags = pod_identity["Condition"]["StringEquals"]
    assert tags["aws:RequestTag/kubernetes-namespace"] == namespace
    assert tags["aws:RequestTag/kubernetes-service-account"] == account

    (irsa,) = json.loads((DOCS / "iam/trust-irsa.json").read_text())["Statement"]
    subject = irsa["Condition"]["StringEquals"]["OIDC_PROVIDER:sub"]
    assert subject == f"system:serviceaccount:{namespace}:{account}"


@pytest.mark.parametrize(
    "path",
    [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("[A-Zm]*.md"))],
    ids=lambda path: path.name,
)
def test_links_within_the_tree_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
