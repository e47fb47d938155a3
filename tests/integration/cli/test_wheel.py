"""What is installed from the wheel is complete: the demo finds its manifests outside the source tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mcp_gateway_operator import __version__

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `make build` does."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(  # noqa: S603  -- a fixed command
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_what_the_demo_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = "mcp_gateway_operator/_manifests"
    for source, target in (
        ("config/crd", "crd"),
        ("config/rbac", "rbac"),
        ("config/samples", "samples"),
        ("hack/kubernetes", "hack/kubernetes"),
    ):
        wanted = {
            f"{inside}/{target}/{path.relative_to(ROOT / source)}"
            for path in (ROOT / source).rglob("*")
            if path.is_file()
        }
        assert wanted
        assert wanted <= names
    assert "mcp_gateway_operator/py.typed" in names
    entries = f"mcp_gateway_operator-{__version__}.dist-info/entry_points.txt"
    text = zipfile.ZipFile(wheel).read(entries).decode()
    assert "mcp-gateway-operator = mcp_gateway_operator.cli.main:main" in text
    assert "mcps = mcp_gateway_operator.cli.main:main" in text


def test_the_unpacked_wheel_runs_outside_the_tree(wheel: Path, tmp_path: Path) -> None:
    """Its commands find the CRD and the samples beside themselves."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import mcp_gateway_operator as package; "
        "from mcp_gateway_operator.cli.samples import load_samples; "
        "from mcp_gateway_operator._files import project_dir; "
        "print(package.__file__, project_dir('config/rbac'), len(load_samples()))"
    )
    done = subprocess.run(  # noqa: S603  -- the program above
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    package, manifests, samples = done.stdout.split()
    assert package.startswith(str(tmp_path))
    assert manifests.startswith(str(tmp_path))
    assert int(samples) >= 4
