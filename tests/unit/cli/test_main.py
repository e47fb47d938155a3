"""Finding the command, and its help."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcp_gateway_operator import __version__
from mcp_gateway_operator.cli import main
from mcp_gateway_operator.cli.fleet import tables

HEAVY = ("rich.console", "uvicorn", "boto3", "starlette", "prometheus_client")
OTHERS = {
    "demo": ("mcp_gateway_operator_demo", "mcp-gateway-operator-demo"),
    "simulator": ("agentcore_simulator", "agentcore-simulator"),
}
"""Commands that come with another distribution: its package and its name."""


@pytest.mark.parametrize(
    ("argv", "in_cluster", "expected"),
    [
        ([], False, ["--help"]),
        ([], True, ["run"]),
        (["--gateway-id=x", "--leader-elect"], False, ["run", "--gateway-id=x", "--leader-elect"]),
        (["--zap-devel"], True, ["run", "--zap-devel"]),
        (["demo", "--keep"], False, ["demo", "--keep"]),
        (["--help"], True, ["--help"]),
        (["-h"], False, ["-h"]),
        (["--version"], True, ["--version"]),
        (["run", "--help"], False, ["run", "--help"]),
    ],
)
def test_bare_flags_mean_run(argv: list[str], in_cluster: bool, expected: list[str]) -> None:
    assert main.arguments(argv, in_cluster=in_cluster) == expected


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(main.cli, [command, "--help"], prog_name="mcp-gateway-operator")
    assert result.exit_code == 0
    assert "Example" in result.output
    program = "agentcore-simulator " if command == "simulator" else "mcp-gateway-operator "
    assert program in result.output.split("Example", 1)[1]


@pytest.mark.parametrize("command", [each for each in main.COMMANDS if each != "simulator"])
def test_examples_call_the_program_as_its_user_does(command: str) -> None:
    """Of the archive for krew there is no `mcp-gateway-operator` on the path."""
    said = CliRunner().invoke(main.cli, [command, "--help"], prog_name="kubectl mcps").output
    examples = said.split("Example", 1)[1]
    assert "kubectl mcps " in examples
    assert "mcp-gateway-operator " not in examples


def test_the_overview_names_every_command() -> None:
    result = CliRunner().invoke(main.cli, ["--help"], prog_name="mcp-gateway-operator")
    assert result.exit_code == 0
    for name, text in main.COMMANDS.items():
        assert name in result.output
        assert text.split(",")[0] in result.output


@pytest.mark.parametrize("command", OTHERS)
def test_what_is_not_installed_is_named_in_one_sentence(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, distribution = OTHERS[command]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # Python's way to say "not installed"

    for arguments in ([command], [command, "--help"]):
        result = CliRunner().invoke(main.cli, arguments)
        assert result.exit_code == 1
        (line,) = result.output.splitlines()
        assert line.startswith(f"Error: `{command}` needs the package {distribution}")
        assert "make venv" in line
    overview = " ".join(CliRunner().invoke(main.cli, ["--help"]).output.split())
    assert f"Needs the package {distribution}." in overview
    assert overview.count("Needs the package") == 1


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main.cli, ["start"])
    assert result.exit_code == 2
    assert "No such command 'start'" in result.output


@pytest.mark.parametrize("command", [None, *(each for each in main.COMMANDS if each not in OTHERS)])
def test_help_fits_80_columns(command: str | None) -> None:
    argv = ["--help"] if command is None else [command, "--help"]
    lines = CliRunner().invoke(main.cli, argv, prog_name="mcp-gateway-operator").output.splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("path", "called"),
    [
        ("/usr/bin/mcps", "mcps"),
        ("kubectl-mcps", "kubectl mcps"),
        ("/manager", "mcp-gateway-operator"),
        ("__main__.py", "mcp-gateway-operator"),
    ],
)
def test_help_calls_the_program_what_it_was_called(path: str, called: str) -> None:
    assert main._program(path) == called


def test_the_version_is_told() -> None:
    assert __version__ in CliRunner().invoke(main.cli, ["--version"]).output
    text = CliRunner().invoke(main.cli, ["version"]).output
    assert f"mcp-gateway-operator {__version__}" in text
    assert "botocore " in text
    assert (
        f'"mcp-gateway-operator": "{__version__}"'
        in CliRunner().invoke(main.cli, ["version", "-o", "json"]).output
    )


def test_run_imports_nothing_that_it_may_not_need() -> None:
    """Its memory is limited to 128 MiB at 10,000 objects."""
    program = (
        "import sys; import click; from mcp_gateway_operator.cli import main; "
        "main.cli.get_command(click.Context(main.cli), 'run'); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603  -- the program above
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("interrupted", ["mcp_gateway_operator.cli.main", "click", "gc"])
def test_ctrl_c_while_modules_are_imported_ends_quietly(interrupted: str) -> None:
    program = f"""if True:
        import sys
        from mcp_gateway_operator.cli.entry import main
        class Interrupted:
            def find_spec(self, name, path, target=None):
                if name == {interrupted!r}:
                    raise KeyboardInterrupt
        sys.modules.pop({interrupted!r}, None)
        sys.meta_path.insert(0, Interrupted())
        main()"""
    done = subprocess.run(  # noqa: S603  -- the program above
        [sys.executable, "-c", program, "version"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("latin-1", b"a\\u2026\xe9.yaml"),
        # click takes ASCII for a mistake of the environment, and writes UTF-8.
        ("ascii", "a…é.yaml".encode()),
    ],
)
def test_a_locale_without_a_character_gets_its_escape(encoding: str, written: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a…é.yaml"
    file.write_text("kind: MCPServer", encoding="utf-8")
    done = subprocess.run(  # noqa: S603  -- the program itself
        [sys.executable, "-c", "from mcp_gateway_operator.cli.main import main; main()", "validate", file],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.stderr == b""
    assert written in done.stdout


def test_whoever_has_closed_the_output_asks_for_the_status_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.delenv("COLUMNS", raising=False)
    assert not tables.on_terminal()
    assert tables.width() == tables.UNCUT


class _FullDisk(io.TextIOWrapper):
    """Standard output to a file on a disk without room."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mcps", "version"])
    monkeypatch.setattr(sys, "stdout", _FullDisk())
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "Error: What was to be printed is not complete: No space left on device. Make room for it.\n"
    )
