"""promtool as the tests run it: rules and queries over series that are written down or were recorded."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import Metric

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "config" / "prometheus" / "rules.yaml"
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


@dataclass
class Story:
    """What was scraped, minute by minute, and what is asked of it at the end.

    Attributes:
        name: for the message of a failure.
        series: values by series; a missing one is `_`.
        minutes: how many there are.
        answers: by query, the samples expected at the end as (labels, value).
    """

    name: str
    series: dict[str, list[str]] = field(default_factory=dict)
    minutes: int = 0
    answers: dict[str, list[tuple[str, float]]] = field(default_factory=dict)

    def scrape(self, families: Iterable[Metric], **target: str) -> None:
        """Take in one scrape; `target` are the labels that Prometheus puts on its series."""
        for family in families:
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in {**sample.labels, **target}.items())
                values = self.series.setdefault(f"{sample.name}{{{labels}}}", [])
                values += ["_"] * (self.minutes - len(values))
                values.append(repr(float(sample.value)))
        self.minutes += 1

    def missed(self) -> None:
        """Let a minute go by without a scrape that succeeds."""
        self.minutes += 1

    def fires(self, *alerts: str) -> None:
        """Expect exactly these alerts at the end."""
        self.answers[FIRING] = [(f'{{alertname="{each}"}}', 1) for each in alerts]

    def as_test(self) -> dict[str, Any]:
        """Return the story as an entry of promtool's test file."""
        return {
            "name": self.name,
            "interval": "1m",
            "input_series": [
                {"series": each, "values": " ".join(values)} for each, values in self.series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": query,
                    "eval_time": f"{self.minutes - 1}m",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
                }
                for query, samples in self.answers.items()
            ],
        }


@functools.cache
def program() -> Path:
    """Return promtool; `make programs` has built it before, so that this takes no time."""
    done = subprocess.run(  # noqa: S603  -- our own script
        [sys.executable, ROOT / "hack" / "promtool_program.py"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def groups_of(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Prometheus reads of a PrometheusRule."""
    return {"groups": rules["spec"]["groups"]}


def run_promtool(directory: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Run promtool and return what it prints.

    Raises:
        AssertionError: it failed; the text is its own.
    """
    done = subprocess.run(  # noqa: S603  -- our own promtool
        [program(), *arguments], cwd=directory, input=stdin, capture_output=True, check=False, timeout=60
    )
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, output
    return output


def run_stories(directory: Path, rules: Mapping[str, Any], stories: Iterable[Story]) -> None:
    """Let promtool tell these stories to a PrometheusRule.

    Raises:
        AssertionError: something else came out than they expect.
    """
    # JSON is YAML, and is written a hundred times as fast.
    (directory / "rules.yaml").write_text(json.dumps(groups_of(rules)))
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [story.as_test() for story in stories],
    }
    (directory / "test.yaml").write_text(json.dumps(test))
    run_promtool(directory, "test", "rules", "test.yaml")
