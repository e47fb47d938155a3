from __future__ import annotations

import json

import pytest

from mcp_gateway_operator.api.manifests import Foreign, ManifestError, manifests, servers
from tests.unit.api.cases import OAUTH_ARN

GOOD = """
apiVersion: mcpgateway.bedrock.aws/v1alpha1
kind: MCPServer
metadata: {name: github, namespace: team-a}
spec: {endpoint: "https://a.example.com", capabilities: [tools], authType: NoAuth}
"""


def _paths(text: str) -> list[str]:
    (found,) = manifests(text)
    return [problem.path for problem in found.problems]


def test_finds_the_servers_among_other_objects() -> None:
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\n---\n---\n{GOOD}---\n{GOOD}"

    assert [(each.place, each.namespace, each.name) for each in manifests(text)] == [
        ("document 3", "team-a", "github"),
        ("document 4", "team-a", "github"),
    ]
    assert all(each.problems == () for each in manifests(text))


def test_looks_into_lists_and_json() -> None:
    (one,) = manifests(GOOD)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod"}, one.content]})

    assert [each.place for each in manifests(text)] == ["document 1, item 2"]


@pytest.mark.parametrize("text", ["", "---\n---\n", "# nothing\n", "just text", "- a\n- b\n", "5"])
def test_passes_over_what_is_no_object(text: str) -> None:
    assert list(manifests(text)) == []


def test_passes_over_our_other_kind() -> None:
    assert list(servers(GOOD.replace("kind: MCPServer", "kind: MCPGateway"))) == []


@pytest.mark.parametrize("api_version", ["toolhive.example.dev/v1alpha1", "kagent.dev/v1alpha2"])
def test_passes_over_the_kinds_of_the_same_name_of_other_projects(api_version: str) -> None:
    text = GOOD.replace("mcpgateway.bedrock.aws/v1alpha1", api_version)

    assert list(manifests(text)) == []
    assert list(servers(text)) == [
        Foreign(place="document 1", name="github", namespace="team-a", api_version=api_version)
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "path", "says"),
    [
        (
            "bedrock.aws/v1alpha1",
            "bedrock.aws/v1",
            "apiVersion",
            "write apiVersion: mcpgateway.bedrock.aws/v1alpha1",
        ),
        ("mcpgateway.bedrock", "mcpgateways.bedrock", "apiVersion", "mcpgateway.bedrock.aws/v1alpha1"),
        ("apiVersion:", "apiversion:", "apiVersion", "mcpgateway.bedrock.aws/v1alpha1"),
        ("mcpgateway.bedrock.aws/", "", "apiVersion", "write apiVersion: mcpgateway.bedrock.aws/v1alpha1"),
        ("mcpgateway.bedrock.aws/v1alpha1", "v1", "apiVersion", "mcpgateway.bedrock.aws/v1alpha1"),
        ("mcpgateway.bedrock.aws/v1alpha1", '""', "apiVersion", "mcpgateway.bedrock.aws/v1alpha1"),
        ("mcpgateway.bedrock.aws/v1alpha1", "mcpgateway.bedrock.aws", "apiVersion", "v1alpha1"),
        ("kind: MCPServer", "kind: McpServer", "kind", "write kind: MCPServer"),
        ("name: github", "name: Git_Hub", "metadata.name", "lower-case letters"),
        ("name: github, ", "", "metadata.name", "required"),
        ("name: github", f"name: {'a' * 254}", "metadata.name", "not a legal name"),
        ("namespace: team-a", "namespace: team.a", "metadata.namespace", "not a legal namespace"),
        (
            "namespace: team-a",
            "annotations: {mcpgateway.bedrock.aws/paused: true}",
            "metadata.annotations[mcpgateway.bedrock.aws/paused]",
            "write it in quotes",
        ),
        ("namespace: team-a", "labels: [a]", "metadata.labels", "must be a map"),
        ("spec: {", "spec: [{", "spec", "must be a map"),
        ("spec: {", "specs: {", "specs", "did you mean spec?"),
        ("authType:", "authtype:", "spec.authtype", "did you mean authType?"),
        ("authType: NoAuth", "authType: yes", "spec.authType", "must be a text"),
    ],
)
def test_says_what_is_wrong_around_the_spec(was: str, becomes: str, path: str, says: str) -> None:
    text = GOOD.replace(was, becomes)
    (found,) = manifests(text.replace("NoAuth}", "NoAuth}]") if "[{" in becomes else text)

    assert says in {problem.path: problem.message for problem in found.problems}[path]


def test_a_missing_spec_is_one_problem() -> None:
    assert _paths(GOOD.rpartition("spec:")[0]) == ["spec"]


def test_a_date_stays_text_as_for_kubectl() -> None:
    assert _paths(GOOD.replace("authType:", "description: 2026-11-22, authType:")) == []


def test_keys_that_are_no_texts_become_texts_as_for_kubectl() -> None:
    parameters = (
        f"authType: OAuth2, oauthProviderArn: '{OAUTH_ARN}', oauthCustomParameters: {{5: a, true: b}}"
    )

    assert _paths(GOOD.replace("authType: NoAuth", parameters)) == []


def test_an_anchor_with_a_merge_is_read() -> None:
    text = GOOD.replace("spec: {", "spec: {<<: {description: a}, ")

    assert _paths(text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 1"),
        ("a: 1\nb: 2\na: 3\n", r"line 3: the key 'a' is given twice: keep one"),
        ("a: \x00", r"the character U\+0000 is not allowed"),
        ("? [a]\n: 1\n", "a key must be a text"),
    ],
)
def test_says_where_a_text_is_not_yaml(text: str, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        list(manifests(text))


def test_an_annotation_without_a_value_is_the_empty_text_that_kubectl_sends() -> None:
    """What a template leaves of `paused: {{ .Values.paused }}` pauses, and is to be told before that."""
    paused = "annotations: {mcpgateway.bedrock.aws/paused: }"
    text = GOOD.replace("namespace: team-a", f"namespace: team-a, {paused}")

    (found,) = manifests(text)

    assert found.content["metadata"]["annotations"] == {"mcpgateway.bedrock.aws/paused": ""}
    (warning,) = found.warnings
    assert "'' is neither true nor false, and pauses" in str(warning)
    assert found.problems == ()
