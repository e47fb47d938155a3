"""Assembles what the image adds to its base: the packages under `/app` and the program `/manager`.

    python hack/image.py --arch arm64 OUT      fills OUT with app/ and manager

The Dockerfile runs this in its first stage. Every dependency comes as a wheel for the target, so that one
machine assembles every architecture without emulating it, and no compiler is needed. It takes the Python
version that the image has. Standard library only.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Of the several hundred service models that botocore carries, the ones the operator speaks.
SERVICES = ("bedrock-agentcore-control", "sts")

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = range(17, 37)  # manylinux tags up to Debian 12's glibc 2.36
# -I: nothing from the environment, the user's home or the working directory is imported. -u: a log line is
# out when it is written. -B: the root file system is read-only.
_MANAGER = """\
#!/usr/bin/python3 -IuB
import sys

sys.path.insert(0, "/app")
from mcp_gateway_operator.cli.entry import main

main()
"""


def install(app: Path, *, arch: str) -> None:
    """Put the locked dependencies as wheels for `arch`, and the project itself, into `app`.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    machine = _MACHINES[arch]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    into = ["install", "--quiet", "--no-deps", "--no-compile", "--target", str(app), "--upgrade"]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(_GLIBC)]
    target = [f"--platform={platform}" for platform in (*platforms, f"manylinux2014_{machine}")]
    subprocess.run(  # noqa: S603  -- a fixed command line
        [
            *pip,
            *into,
            *target,
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
            str(ROOT / "requirements.txt"),
        ],
        check=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(  # noqa: S603  -- a fixed command line
            [
                *pip,
                "wheel",
                "--quiet",
                "--no-deps",
                "--no-build-isolation",
                "--wheel-dir",
                scratch,
                str(ROOT),
            ],
            check=True,
        )
        (wheel,) = Path(scratch).glob("*.whl")
        subprocess.run([*pip, *into, str(wheel)], check=True)  # noqa: S603  -- a fixed command line


def finish(out: Path) -> None:
    """Remove what never runs, compile the rest and write `/manager`."""
    app = out / "app"
    for unused in ("bin", "share"):
        shutil.rmtree(app / unused, ignore_errors=True)
    for cached in [*app.rglob("__pycache__")]:
        shutil.rmtree(cached)
    for service in (app / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    # Files in an image have the build's timestamps or none, so the compiled form is bound to nothing: it is
    # as immutable as the image.
    compiled = compileall.compile_dir(
        app,
        quiet=1,
        stripdir=str(out),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"Something in {app} does not compile")
    manager = out / "manager"
    manager.write_text(_MANAGER)
    manager.chmod(0o755)


def main() -> None:
    """Fill the directory that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=sorted(_MACHINES), required=True)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    install(arguments.out / "app", arch=arguments.arch)
    finish(arguments.out)


if __name__ == "__main__":
    main()
