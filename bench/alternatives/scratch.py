"""Virtual environments outside the project, and processes that are measured from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
KOPF = "kopf==1.45.2"
LIGHTKUBE = "lightkube==1.0.1"
AIOHTTP = "aiohttp==3.14.5"
STOP_SECONDS = 20


def environment_with(directory: Path, *requirements: str) -> Path:
    """Make a virtual environment with these packages and return its interpreter."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)  # noqa: S603  -- fixed words
    return python


def packages_in(directory: Path, *requirements: str) -> dict[str, str]:
    """Install packages into a directory and return the variable by which this interpreter finds them."""
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(directory), *requirements]
    subprocess.run(words, check=True)  # noqa: S603  -- fixed words
    return {"PYTHONPATH": str(directory)}


def command(operator: str, scratch: Path, kopf_python: Path | None) -> list[str]:
    """Return how to start one of the operators: `kopf`, `runtime` or `lightkube`."""
    if operator == "kopf":
        python = kopf_python or environment_with(scratch / "kopf", KOPF)
        return [str(python), str(HERE / "kopf_operator.py")]
    if operator == "lightkube":
        python = environment_with(scratch / "lightkube", LIGHTKUBE)
        return [str(python), str(HERE / "lightkube_watcher.py")]
    return [sys.executable, str(HERE / "runtime_operator.py")]


@contextmanager
def running(
    words: list[str], *, log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with its output in `log`; end it, and only it, afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  -- our own scripts
            words, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, what: str) -> float:
    """Return a line of /proc/PID/status in MB (10^6 bytes): `VmRSS` for now, `VmHWM` for the peak."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None, f"{what} is in every process's status"
    return round(int(found[1]) * 1024 / 1e6, 1)


def open_files(pid: int) -> int:
    """Return how many descriptors a process has, connections included; 0 when it has ended."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except FileNotFoundError:
        return 0
