"""The figures of docs/performance.md are those of the results, and the smoke test's limits can be missed."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "bench"


def _python(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  -- our own scripts
        [sys.executable, *arguments],
        cwd=BENCH,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        input=stdin,
    )


def _check(found: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    script = "import json, sys; from checks import check; check(json.load(sys.stdin), 100)"
    return _python("-c", script, stdin=json.dumps(found))


GOOD: dict[str, Any] = {
    "B1": {
        "aws_calls": {"CreateGatewayTarget": 101, "ListGatewayTargets": 9},
        "writes": {"status": 202},
        "seconds_in_all": 9.5,
    },
    "B2": {"aws_calls": {"ListGatewayTargets": 4}, "writes": {}},
    "B4": {
        "aws_calls": {"UpdateGatewayTarget": 100, "GetGatewayTarget": 100, "CreateGatewayTarget": 1},
        "writes": {"status": 102},
    },
}


def test_the_tables_are_what_the_results_say() -> None:
    done = _python("table.py", "--check")

    assert done.returncode == 0, done.stderr


def test_good_figures_pass() -> None:
    done = _check(GOOD)

    assert done.returncode == 0, done.stderr


def test_a_slow_machine_lists_longer() -> None:
    found = copy.deepcopy(GOOD)
    found["B1"]["aws_calls"]["ListGatewayTargets"] = 120
    found["B1"]["seconds_in_all"] = 120.0

    done = _check(found)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("benchmark", "member", "name", "number"),
    [
        ("B1", "aws_calls", "CreateGatewayTarget", 102),
        ("B1", "aws_calls", "ListGatewayTargets", 40),
        ("B1", "aws_calls", "GetGatewayTarget", 101),
        ("B1", "writes", "status", 400),
        ("B2", "aws_calls", "UpdateGatewayTarget", 1),
        ("B2", "writes", "status", 1),
        ("B4", "aws_calls", "UpdateGatewayTarget", 101),
    ],
)
def test_one_call_or_write_too_many_fails(benchmark: str, member: str, name: str, number: int) -> None:
    found = copy.deepcopy(GOOD)
    found[benchmark][member][name] = number

    done = _check(found)

    assert done.returncode == 1
    assert f"AssertionError: {benchmark}: " in done.stderr
