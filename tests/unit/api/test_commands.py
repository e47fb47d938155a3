from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mcp_gateway_operator.api.crd_manifest import KINDS, custom_resource_definition
from mcp_gateway_operator.cli.crd import command as crd
from mcp_gateway_operator.cli.main import main
from mcp_gateway_operator.cli.validate import command as validate
from tests.support.unseen import NASTY, SECRET, unseen
from tests.unit.api.test_manifests import GOOD

NASTY_TEXT = "before" + "".join(NASTY) + "after"
BAD = GOOD.replace("https://", "http://")


def test_crd_prints_what_kubectl_applies() -> None:
    for flags, legacy in (([], False), (["--legacy"], True)):
        printed = list(yaml.safe_load_all(CliRunner().invoke(crd, flags).output))
        assert printed == [custom_resource_definition(kind, legacy=legacy) for kind in KINDS]


def test_validate_says_nothing_but_ok_about_good_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD}---\n{GOOD}")

    done = CliRunner().invoke(validate, [str(tmp_path / "a.yaml")])

    assert (done.exit_code, done.output) == (0, "2 MCPServers are valid.\n")


def test_validate_names_file_document_object_field_and_advice(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{GOOD}---\n{BAD}")

    done = CliRunner().invoke(validate, [str(file)])

    assert done.exit_code == 1
    first, last = done.output.splitlines()
    assert first.startswith(
        f"{file}:11:8: document 2: team-a/github: spec.endpoint: endpoint must begin with https://"
    )
    assert last == "1 of 2 MCPServers must be corrected."


def test_validate_reads_directories_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.json").write_text(json.dumps(next(yaml.safe_load_all(GOOD))))
    (tmp_path / "c.txt").write_text(BAD)

    assert CliRunner().invoke(validate, [str(tmp_path)]).output == "2 MCPServers are valid.\n"
    assert "standard input:5:8: document 1: " in CliRunner().invoke(validate, ["-"], input=BAD).output


def test_validate_in_json_for_scripts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)

    done = CliRunner().invoke(validate, ["-o", "json", str(tmp_path)])

    assert done.exit_code == 1
    (row,) = json.loads(done.output)
    assert row["name"] == "github"
    assert row["problems"][0]["path"] == "spec.endpoint"


def test_validate_reports_a_broken_file_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "c.yaml").write_text(BAD)

    lines = CliRunner().invoke(validate, [str(tmp_path)]).output.splitlines()

    assert "a.yaml:1:5: not YAML: " in lines[0]
    assert "b.yaml:1:1: not YAML: " in lines[1]
    assert "spec.endpoint" in lines[2]
    assert lines[3:] == ["2 of 3 files could not be read as YAML.", "1 of 1 MCPServer must be corrected."]


@pytest.mark.parametrize(
    "text",
    ["kind: Service\n", "", "# nothing\n", "just text", GOOD.replace("mcpgateway.bedrock.aws", "a.example")],
)
def test_validate_of_files_without_servers_says_so_and_fails(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)

    done = CliRunner().invoke(validate, [str(file)])
    allowed = CliRunner().invoke(validate, ["--allow-empty", str(file)])
    listed = CliRunner().invoke(validate, ["-o", "json", str(file)])

    assert done.exit_code == listed.exit_code == 1
    assert f"No MCPServer found in {file}, so nothing was checked." in done.stderr
    assert "--allow-empty" in done.stderr
    assert allowed.exit_code == 0
    assert allowed.stdout.endswith("No MCPServer was checked.\n")
    assert allowed.stderr == ""
    assert not any(row["checked"] for row in json.loads(listed.stdout))


def test_validate_of_an_empty_directory_fails(tmp_path: Path) -> None:
    assert CliRunner().invoke(validate, [str(tmp_path)]).exit_code == 1


def test_validate_names_the_servers_of_other_projects_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD.replace('mcpgateway.bedrock.aws', 'a.example')}---\n{GOOD}")

    done = CliRunner().invoke(validate, [str(tmp_path / "a.yaml")])

    assert done.exit_code == 0
    assert "document 1: team-a/github: warning: apiVersion: not checked: a.example/v1alpha1" in done.stdout
    assert done.stdout.endswith("1 MCPServer is valid.\n")


def test_validate_of_a_version_without_the_group_is_a_mistake_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("mcpgateway.bedrock.aws/", ""))

    done = CliRunner().invoke(validate, [str(tmp_path)])

    assert done.exit_code == 1
    assert "apiVersion: write apiVersion: mcpgateway.bedrock.aws/v1alpha1" in done.stdout


def test_help_has_examples() -> None:
    for command in (crd, validate):
        assert "Example" in CliRunner().invoke(command, ["--help"]).output


def test_validate_shows_what_a_manifest_hides(tmp_path: Path) -> None:
    """One line a problem, whatever is in the names of files, objects and fields."""
    spec = {"endpoint": NASTY_TEXT, "capabilities": [NASTY_TEXT], NASTY_TEXT: NASTY_TEXT}
    manifest = {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": NASTY_TEXT, "namespace": NASTY_TEXT},
        "spec": spec,
    }
    file = tmp_path / "bidi\u202e\x1b[31m\n.json"
    file.write_text(json.dumps(manifest))
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: \x1b[31m\n- \u202e: [")
    result = CliRunner().invoke(validate, [str(file), str(broken)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert len(lines) > 2
    for line in lines:
        assert not unseen(line)
        assert line.startswith((str(tmp_path), "1 of 2 files", "1 of 1 MCPServer"))


@pytest.mark.parametrize("output", ["text", "json", "github", "sarif"])
def test_validate_shows_no_query_of_an_endpoint(tmp_path: Path, output: str) -> None:
    keyed = f"https://a.example.com/mcp?api_key={SECRET}"
    spec = {"endpoint": keyed, "capabilities": ["tools"], "gatewayId": keyed, "authType": keyed, keyed: keyed}
    manifest = {
        "apiVersion": "mcpgateway.bedrock.aws/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "keyed", "annotations": {keyed: keyed}},
        "spec": spec,
    }
    file, broken = tmp_path / "keyed.json", tmp_path / "broken.yaml"
    file.write_text(json.dumps(manifest))
    broken.write_text(f"endpoint: {keyed}: [{keyed}\n*{keyed}")
    result = CliRunner().invoke(validate, ["-o", output, str(file), str(broken)])
    assert result.exit_code == 1
    assert SECRET not in result.output
    assert "authType: ApiKey with apiKey: {providerArn: ..., location: QUERY_PARAMETER" in result.output


def test_a_usage_error_shows_what_an_argument_hides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mcps", "run", "--gateway-id=\x1b[31m\u202e"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert "\\u202e" in told
    assert not any(unseen(line) for line in told.splitlines())
