"""Run the integration tests that failed once more, alone, and say which passed only then.

    .venv/bin/python hack/second_try.py

They talk to real processes on a machine that they share, so one among thousands may meet a moment that is
nobody's promise. That is told apart here, and never hidden: what passes only alone is listed as a defect of
the test. What fails twice, any failure of a test in virtual time, and more than a few failures are failures.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEW = 3
"""Failures that may be bad luck; more of them have a cause."""
FAILED = Path(".pytest_cache/v/cache/lastfailed")
"""Where pytest keeps what failed last, relative to the root."""


def failed_tests(root: Path) -> list[str]:
    """Return the tests that failed in the last run of pytest there, by their ids."""
    try:
        return sorted(json.loads((root / FAILED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def worth_another(failed: list[str]) -> bool:
    """Whether these failures may be bad luck: few, and all of them with real processes."""
    return 0 < len(failed) <= FEW and all("/integration/" in test for test in failed)


def main(root: Path = ROOT) -> int:
    """Return the exit status of the second run, or 1 where there is nothing to be run again."""
    failed = failed_tests(root)
    if not worth_another(failed):
        return 1
    print(f"\n==> Once more, alone: {len(failed)} integration tests that failed", flush=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "--last-failed",
        "--last-failed-no-failures=none",
    ]
    status = subprocess.run([*command, *failed], cwd=root, check=False).returncode  # noqa: S603  -- our tests
    if status == 0:
        print("\nPassed only alone, which is a defect of the test that has to be mended:")
        print("\n".join(f"  {test}" for test in failed))
    return status


if __name__ == "__main__":
    sys.exit(main())
