from __future__ import annotations

import json

import pytest

from mcp_gateway_operator.api.manifests import servers
from mcp_gateway_operator.api.reading import ManifestError, documents, placed

TEXT = """\
# Who reads this counts from 1.
apiVersion: v1
metadata:
  labels:
    a.b/c: x
    "d[e]": y
spec: &spec
  endpoint: https://a.example.com
  text: "a\u2028b"
  scopes:
    - one
    - two
  more: {<<: {inner: 1}, outer: 2}
copy: *spec
"""
PLACES = {
    "": (2, 1),
    "spec": (7, 1),
    "spec.endpoint": (8, 3),
    "spec.scopes": (10, 3),
    "spec.scopes[1]": (12, 7),
    "spec.more.inner": (13, 15),
    "spec.more.outer": (13, 26),
    "metadata.labels[a.b/c]": (5, 5),
    "metadata.labels[d[e]]": (6, 5),
    "copy.endpoint": (8, 3),
}
MISSING = {
    "spec.missing": (7, 1),
    "spec.scopes[7]": (10, 3),
    "spec.scopes[x]": (10, 3),
    "spec.endpoint.deeper": (8, 3),
    "nothing": (2, 1),
    "a]b[": (2, 1),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("path", [*PLACES, *MISSING])
def test_a_field_is_found_where_an_editor_shows_it(path: str, newline: str) -> None:
    (found,) = placed(TEXT.replace("\n", newline))

    assert found.spot.at(path) == (PLACES | MISSING)[path]


def test_documents_and_items_of_lists_have_their_own_places() -> None:
    first, second = placed("a: 1\n---\nitems:\n- a: 1\n- {b: 1,\n   c: 2}\n")

    assert first.spot.at("a") == (1, 1)
    assert second.spot.item(0).at("a") == (4, 3)
    assert second.spot.item(1).at("") == (5, 3)
    assert second.spot.item(1).at("c") == (6, 4)


@pytest.mark.parametrize("indent", [2, "\t"])
def test_json_has_places_too_also_one_document_behind_another(indent: int | str) -> None:
    one = json.dumps({"spec": {"endpoint": "x", "scopes": ["a", "b"]}}, indent=indent)
    _first, second = placed(f"{one}\n{one}")
    wide = 2 if indent == 2 else 1

    assert second.spot.at("spec.endpoint") == (12, 2 * wide + 1)
    assert second.spot.at("spec.scopes[1]") == (15, 3 * wide + 1)


def test_json_that_yaml_cannot_hold_has_the_place_of_its_document() -> None:
    (found,) = placed('\n {"a": "\x7f", "b": 1}')

    assert found.spot.at("b") == (2, 2)


def test_a_server_in_a_list_knows_its_fields() -> None:
    text = "items:\n- kind: Pod\n- kind: MCPServer\n  apiVersion: other.example/v1\n"
    (found,) = servers(text)

    assert found.spot.at("apiVersion") == (4, 3)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a: 1\nb: 2\n  a: 3", (3, 4)),
        ("a: 1\n  # b\n--- {b: 2}\n", (3, 1)),
        ("a: 1\nb: \x00", (2, 4)),
        ("a: 1\na: 2", (2, 1)),
        ("[" * 5000, (1, 1)),
    ],
)
def test_a_text_that_is_no_yaml_says_where(text: str, position: tuple[int, int]) -> None:
    with pytest.raises(ManifestError) as caught:
        list(documents(text))

    assert caught.value.position == position
