"""The three distributions as their users install them: each alone, and side by side."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from mcp_gateway_operator import __version__

ROOT = Path(__file__).parents[3]
OPERATOR, SIMULATOR, DEMO = "mcp-gateway-operator", "agentcore-simulator", "mcp-gateway-operator-demo"
SOURCES = {
    OPERATOR: ROOT,
    SIMULATOR: ROOT / "packages" / SIMULATOR,
    DEMO: ROOT / "packages" / DEMO,
}
NOT_THE_OPERATORS = {"rich", "httpx2", "pytest", "mcp", "boto3"}
KUBERNETES = {"lightkube", "lightkube-models", "kubernetes", "cryptography"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the wheels as `make build` does."""
    out = tmp_path_factory.mktemp("wheels")
    built = {}
    for name, source in SOURCES.items():
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out / name), cwd=source)
        (built[name],) = (out / name).glob("*.whl")
    return built


@pytest.fixture
def install(tmp_path: Path, wheels: dict[str, Path]) -> Callable[..., Path]:
    """Return what installs wheels into a fresh environment and returns its Python.

    What the wheels ask for, and nothing else, is put beside them from this environment: there is no network.
    """

    def install(*names: str) -> Path:
        home = tmp_path / "venv"
        venv.create(home, symlinks=True)
        (site,) = home.glob("lib/python*/site-packages")
        for distribution in _needed(*(wheels[name] for name in names)):
            _link(distribution, site)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--python",
            str(home / "bin/python"),
        ]
        _run(*pip, "install", "--no-index", "--no-deps", *(str(wheels[name]) for name in names), cwd=tmp_path)
        _run(*pip, "check", cwd=tmp_path)
        return home / "bin" / "python"

    return install


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=100)  # noqa: S603  -- our own commands
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _files(wheel: Path) -> set[str]:
    return set(ZipFile(wheel).namelist())


def _metadata(wheel: Path, name: str) -> str:
    (path,) = [path for path in _files(wheel) if path.endswith(f".dist-info/{name}")]
    return ZipFile(wheel).read(path).decode()


def _requirements(wheel: Path) -> list[str]:
    return re.findall(r"^Requires-Dist: (.*)$", _metadata(wheel, "METADATA"), re.MULTILINE)


def _needed(*wheels: Path) -> Iterator[metadata.Distribution]:
    """Everything that an installer would bring for these wheels, in the versions of this environment."""
    waiting = [requirement for wheel in wheels for requirement in _requirements(wheel)]
    seen = set(SOURCES)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = _normal(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in seen:
            seen.add(name)
            distribution = metadata.distribution(name)
            waiting += distribution.requires or []
            yield distribution


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _link(distribution: metadata.Distribution, site: Path) -> None:
    for top in {file.parts[0] for file in distribution.files or [] if ".." not in file.parts}:
        target = site / top
        if not target.exists():
            target.symlink_to(str(distribution.locate_file(top)))


def test_the_operators_wheel_carries_neither_of_the_others(wheels: dict[str, Path]) -> None:
    names = _files(wheels[OPERATOR])
    assert "mcp_gateway_operator/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "mcp_gateway_operator",
        f"mcp_gateway_operator-{__version__}.dist-info",
    }
    assert not [name for name in names if re.search(r"simulator|localcluster|demo|_manifests|config/", name)]
    scripts = _metadata(wheels[OPERATOR], "entry_points.txt")
    assert "pytest11" not in scripts
    assert "mcp-gateway-operator = mcp_gateway_operator.cli.entry:main" in scripts
    assert "\nmcps = mcp_gateway_operator.cli.entry:main" in scripts
    assert "kubectl-mcps = mcp_gateway_operator.cli.entry:main" in scripts
    needed = {_normal(distribution.name) for distribution in _needed(wheels[OPERATOR])}
    assert not needed & NOT_THE_OPERATORS


def test_the_simulators_wheel_is_light(wheels: dict[str, Path]) -> None:
    names = _files(wheels[SIMULATOR])
    assert "agentcore_simulator/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "agentcore_simulator",
        f"agentcore_simulator-{__version__}.dist-info",
    }
    scripts = _metadata(wheels[SIMULATOR], "entry_points.txt")
    assert "agentcore-simulator = agentcore_simulator.command:main" in scripts
    assert "agentcore = agentcore_simulator.pytest_plugin" in scripts
    needed = {_normal(distribution.name) for distribution in _needed(wheels[SIMULATOR])}
    assert not needed & KUBERNETES
    assert not any("mcp-gateway-operator" in requirement for requirement in _requirements(wheels[SIMULATOR]))


def test_the_demos_wheel_holds_what_it_installs_in_a_cluster(wheels: dict[str, Path]) -> None:
    names = _files(wheels[DEMO])
    for directory in ("config/crd", "config/rbac", "config/samples", "hack/kubernetes"):
        wanted = {
            f"mcp_gateway_operator_demo/_project/{path.relative_to(ROOT)}"
            for path in (ROOT / directory).rglob("*")
            if path.is_file()
        }
        assert wanted
        assert wanted <= names
    # Of one release: a demo of another operator would show something else.
    assert {f"{OPERATOR}=={__version__}", f"{SIMULATOR}=={__version__}"} <= set(_requirements(wheels[DEMO]))


def test_the_operator_alone(install: Callable[..., Path], tmp_path: Path) -> None:
    """`run` is there; `demo` and `simulator` say in a sentence what is missing."""
    python = install(OPERATOR)
    program = str(python.with_name("mcp-gateway-operator"))
    assert "--gateway-id" in _run(program, "run", "--help", cwd=tmp_path)
    assert f"{OPERATOR} {__version__}" in _run(program, "version", cwd=tmp_path)
    for command, distribution in (("demo", DEMO), ("simulator", SIMULATOR)):
        done = subprocess.run(  # noqa: S603  -- our own command
            [program, command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith(f"Error: `{command}` needs the package {distribution}")
        assert len(done.stderr.splitlines()) == 1


def test_the_simulator_alone(install: Callable[..., Path], tmp_path: Path) -> None:
    """It starts and answers with nothing of the operator and no boto3."""
    python = install(SIMULATOR)
    program = (
        "import importlib.util as util; from agentcore_simulator import SimulatorServer, attach\n"
        "with SimulatorServer(gateways=['demo-abcdefghij']) as server: print(len(server.admin.state()))\n"
        "print([name for name in ('mcp_gateway_operator', 'boto3', 'lightkube') if util.find_spec(name)])"
    )
    assert _run(str(python), "-c", program, cwd=tmp_path).split("\n")[1] == "[]"
    command = str(python.with_name("agentcore-simulator"))
    assert f"version {__version__}" in _run(command, "--version", cwd=tmp_path)
    assert "--scenario" in _run(str(python), "-m", "agentcore_simulator", "--help", cwd=tmp_path)


def test_all_three_side_by_side(install: Callable[..., Path], tmp_path: Path) -> None:
    """The commands are the operator's as well, and the demo finds its manifests outside the tree."""
    python = install(OPERATOR, SIMULATOR, DEMO)
    mcps = str(python.with_name("mcps"))
    assert "--scenario" in _run(mcps, "simulator", "--help", cwd=tmp_path)
    assert "--keep" in _run(mcps, "demo", "--help", cwd=tmp_path)
    assert "Needs the package" not in _run(mcps, "--help", cwd=tmp_path)
    program = (
        "import json; from mcp_gateway_operator_demo.samples import load_samples; "
        "from mcp_gateway_operator_demo.project_files import project_dir; "
        "from mcp_gateway_operator_demo.localcluster.gomodule import wrapper_module; "
        "print(json.dumps([str(project_dir('config/rbac')), str(wrapper_module().directory),"
        " len(load_samples())]))"
    )
    manifests, module, samples = json.loads(_run(str(python), "-c", program, cwd=tmp_path))
    assert manifests.startswith(str(tmp_path))
    assert module.startswith(str(tmp_path))
    assert samples >= 4
