"""What `validate` prints for editors, CI and code scanning, and which files it looks at."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from mcp_gateway_operator.cli.checking import check
from mcp_gateway_operator.cli.main import cli
from tests.unit.api.test_manifests import GOOD

BAD = GOOD.replace("https://", "http://")
DOUBTFUL = GOOD.replace("a.example.com", "localhost")
TEMPLATE = "{{- if .Values.servers }}\n" + GOOD.replace("github", "{{ .Release.Name }}") + "{{- end }}\n"
OTHER_TEMPLATE = (
    "kind: Role # of mcpservers\nmetadata:\n  name: {{ .Release.Name }}\n  {{- with .Values.x }}\n"
)
ROOT = Path(__file__).parents[3]


def _validate(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments], input=stdin)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_below_a_directory_is_checked_and_hidden_directories_are_not(folder: Path) -> None:
    for name in ("a.yaml", "deep/er/b.yml", ".git/c.yaml", "deep/d.txt", "deep/e.yaml.d/f.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BAD)
    (folder / "deep" / "round").symlink_to(folder)

    lines = _validate("-o", "text", ".").stdout.splitlines()

    assert [line.partition(": ")[0] for line in lines[:-1]] == [
        "a.yaml:5:8",
        "deep/e.yaml.d/f.json:5:8",
        "deep/er/b.yml:5:8",
    ]


def test_json_has_lines_and_columns(folder: Path) -> None:
    (folder / "a.yaml").write_text(f"{BAD}---\n{DOUBTFUL}")

    bad, doubtful = json.loads(_validate("-o", "json", "a.yaml").stdout)

    assert {key: bad["problems"][0][key] for key in ("path", "line", "column")} == {
        "path": "spec.endpoint",
        "line": 5,
        "column": 8,
    }
    assert (doubtful["problems"], doubtful["warnings"][0]["line"]) == ([], 11)


def test_github_shows_what_it_finds_beside_the_line(folder: Path) -> None:
    (folder / "50%, a:b.yaml").write_text(f"{BAD}---\n{DOUBTFUL}")

    done = _validate("-o", "github", "50%, a:b.yaml")

    error, warning, *summary = done.stdout.splitlines()
    where = "file=50%25%2C a%3Ab.yaml,line={},col=8,title=MCPServer team-a/github::spec.endpoint: "
    assert error.startswith(f"::error {where.format(5)}endpoint must begin with https://")
    assert warning.startswith(f"::warning {where.format(11)}")
    assert summary == ["1 warning.", "1 of 2 MCPServers must be corrected."]
    assert done.exit_code == 1


def test_github_is_given_no_file_for_standard_input() -> None:
    assert _validate("-o", "github", "-", stdin=BAD).stdout.startswith("::error line=5,col=8,title=")


def test_no_manifest_writes_a_command_of_its_own(folder: Path) -> None:
    name = json.dumps("x\n::set-output name=a::b\r%0A::error::c")
    (folder / "a.yaml").write_text(BAD.replace("github", name))

    lines = _validate("-o", "github", "a.yaml").stdout.splitlines()

    assert all(line.startswith("::error file=a.yaml,line=") for line in lines[:-1])


def test_sarif_is_what_code_scanning_takes(folder: Path) -> None:
    (folder / "a b.yaml").write_text(f"{BAD}---\n{DOUBTFUL}")

    done = _validate("-o", "sarif", "a b.yaml", str(folder / "a b.yaml"))

    log: dict[str, Any] = json.loads(done.stdout)
    (run,) = log["runs"]
    assert (log["version"], run["columnKind"], done.exit_code) == ("2.1.0", "unicodeCodePoints", 1)
    rules = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]}
    first, second, absolute, _ = run["results"]
    assert [(each["level"], rules[each["ruleId"]]) for each in (first, second)] == [
        ("error", "error"),
        ("warning", "warning"),
    ]
    place = first["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.yaml"},
        "region": {"startLine": 5, "startColumn": 8},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "team-a/github"
    assert first["message"]["text"].startswith("MCPServer team-a/github: spec.endpoint: endpoint must")
    assert absolute["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")


def test_sarif_names_a_file_whatever_bytes_its_name_has(folder: Path) -> None:
    name = os.fsdecode(b"bad\xff.yaml")
    (folder / name).write_text(BAD)
    (result, *_) = json.loads(_validate("-o", "sarif", name).stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "bad%FF.yaml"}


def test_standard_input_is_utf_8_whatever_the_locale_says() -> None:
    text = BAD.replace("spec: {", 'spec: {description: "é", ').encode()
    told = CliRunner(charset="latin-1").invoke(cli, ["validate", "-"], input=text).stdout
    assert told.startswith("standard input:5:26: document 1: team-a/github: spec.endpoint: ")


def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    (row,) = check("-")
    assert [each.message for each in row.problems] == ["cannot be read: it is closed"]


def test_sarif_of_good_files_is_a_log_without_results(folder: Path) -> None:
    (folder / "a.yaml").write_text(GOOD)

    done = _validate("-o", "sarif", "a.yaml")

    assert (json.loads(done.stdout)["runs"][0]["results"], done.exit_code) == ([], 0)


@pytest.mark.parametrize(("flags", "status", "told"), [([], 0, "1 warning."), (["--strict"], 1, "--strict")])
def test_warnings_fail_only_where_they_shall(folder: Path, flags: list[str], status: int, told: str) -> None:
    (folder / "a.yaml").write_text(DOUBTFUL)

    done = _validate(*flags, "a.yaml")

    assert done.exit_code == status
    *_, warnings, objects = done.stdout.splitlines()
    assert told in warnings
    assert objects == "1 MCPServer is valid."


def test_a_helm_template_is_told_as_such(folder: Path) -> None:
    (folder / "ours.yaml").write_text(TEMPLATE)
    (folder / "quoted.yaml").write_text(BAD.replace("http://a", "{{ .Values.host }}"))
    (folder / "other.yaml").write_text(OTHER_TEMPLATE)

    done = _validate(".")

    other, ours, quoted, *summary = done.stdout.splitlines()
    assert other.startswith("other.yaml:3:9: ")
    assert "warning: not checked: a Helm template: check what it renders, as in `helm template" in other
    assert ours.startswith("ours.yaml:1:1: not YAML: ")
    assert ". It is a Helm template: check" in ours
    assert quoted.startswith("quoted.yaml:2:1: document 1: team-a/github: a Helm template: check")
    assert summary == [
        "1 of 3 files could not be read as YAML.",
        "1 warning.",
        "1 of 1 MCPServer must be corrected.",
    ]
    assert done.exit_code == 1


def test_braces_alone_make_no_template(folder: Path) -> None:
    description = "description: 'Say {{ name }} or {{ .Values.x }}'"
    (folder / "good.yaml").write_text(GOOD.replace("authType:", f"{description}, authType:"))
    (folder / "bad.yaml").write_text(BAD.replace("authType:", "description: '{{ name }}', authType:"))

    assert _validate("good.yaml").stdout == "1 MCPServer is valid.\n"
    assert "Helm" not in _validate("bad.yaml").stdout


def test_a_template_without_servers_fails_alone_and_not_among_files_that_may_hold_none(folder: Path) -> None:
    (folder / "other.yaml").write_text(OTHER_TEMPLATE)

    assert [_validate("other.yaml", *flags).exit_code for flags in ([], ["--allow-empty"])] == [1, 0]


def test_a_file_that_is_gone_is_told_and_the_others_are_checked(folder: Path) -> None:
    (folder / "a.yaml").symlink_to("nowhere")
    (folder / "b.yaml").write_text(GOOD)

    done = _validate(".")

    assert done.stdout.splitlines() == [
        "a.yaml:1:1: cannot be read: No such file or directory",
        "1 of 2 files could not be read as YAML.",
        "1 MCPServer is valid.",
    ]
    assert done.exit_code == 1


def test_the_hook_for_pre_commit_is_a_command_that_exists() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, command, *flags = hook["entry"].split()

    assert program in (ROOT / "pyproject.toml").read_text()
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    assert set(flags) <= {name for option in found.params for name in option.opts}
    assert (hook["language"], hook["types"]) == ("python", ["yaml"])
