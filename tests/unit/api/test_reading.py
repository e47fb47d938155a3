from __future__ import annotations

import json

import pytest
import yaml

from mcp_gateway_operator.api.reading import ManifestError, documents
from tests.unit.api.scalars import NO_SCALARS, SCALARS


@pytest.fixture(autouse=True, params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test with either of PyYAML's parsers, libyaml or not: which one there is depends on its build."""
    assert yaml.__with_libyaml__, "or the fast one is not tested here"
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param == "libyaml")


def _one(text: str) -> object:
    (found,) = documents(text)
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def test_there_are_enough_scalars() -> None:
    assert len(SCALARS) >= 60


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_kubectl_sends(text: str) -> None:
    found = _one(f"a: {text}\n")

    assert isinstance(found, dict)
    assert _same(found["a"], SCALARS[text])


@pytest.mark.parametrize("text", NO_SCALARS)
def test_what_kubectl_cannot_read_is_a_mistake_with_its_line(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^line 2: "):
        _one(f"b: 1\na: {text}\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5: a", {"5": "a"}),
        ("0x10: a", {"16": "a"}),
        ("y: a", {"true": "a"}),
        ("? a\n: b", {"a": "b"}),
        ('"<<": {a: 1}', {"<<": {"a": 1}}),
        ("<<: {a: 1}\na: 2", {"a": 2}),
        ("a: 2\n<<: {a: 1}", {"a": 1}),
        ("<<: [{a: 1}, {a: 2, b: 3}]", {"a": 1, "b": 3}),
        ("k: !foo {a: !!set {b}}", {"k": {"a": {"b": None}}}),
        ("k: !!python/object:os.system [x]", {"k": ["x"]}),
        ("k: &a [1]\nl: *a", {"k": [1], "l": [1]}),
        ("a: &x 1\nb: *x\nc: &x 2\nd: *x", {"a": 1, "b": 1, "c": 2, "d": 2}),
        ('\n {"a": 5e2, "b": "\\/\\ud83d\\ude00", "c": 1.5}', {"a": 500, "b": "/😀", "c": 1.5}),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_maps_and_json_are_what_kubectl_sends(text: str, value: object) -> None:
    assert _same(_one(text), value)


def test_json_documents_may_follow_each_other() -> None:
    assert list(documents('{"a": 1}\n{"a": 2} ')) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice: keep one"),
        ("5: x\n0x5: y\n", "line 2: the key '5' is given twice"),
        ('{"a": 1,\n "a": 2}', "line 2: the key 'a' is given twice"),
        ("~: a", "line 1: a key must be a text"),
        ("[a]: 1", "a key must be a text"),
        ("<<: 5", "line 1: what follows << must be a map"),
        ("a: &a [*a]", "line 1: its aliases make it endless"),
        ("a: &a 1\n---\nb: *a", "line 3: 'a' is not defined above"),
        ("a: 1\n--- {b: 2}\n", "line 2: write nothing behind '---'"),
        ("a: \x00", "line 1: the character U+0000 is not allowed"),
        ("a: \ud800", "line 1: the character U+D800 is not allowed"),
        ('{"a":' * 5000, "nested too deeply"),
    ],
)
def test_says_what_kubectl_does_not_read(text: str, says: str) -> None:
    with pytest.raises(ManifestError) as caught:
        list(documents(text))

    assert says in str(caught.value)


def test_what_an_editor_puts_before_a_file_counts_for_nothing() -> None:
    assert list(documents("\ufeffa: 1")) == [{"a": 1}]
    with pytest.raises(ManifestError, match=r"^line 2: "):
        list(documents("\ufeffa: 1\nb: ["))
    for more in ("", "b: 2\n"):
        with pytest.raises(ManifestError, match=r"^line 3: U\+FEFF"):
            list(documents(f"a: 1\n---\n\ufeffa: 1\n{more}"))


def test_aliases_that_multiply_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    with pytest.raises(ManifestError, match="its aliases make it endless"):
        list(documents("\n".join(lines)))


def test_what_is_read_is_json() -> None:
    text = "".join(f"k{number}: {scalar}\n" for number, scalar in enumerate(SCALARS))

    assert json.loads(json.dumps(_one(text), allow_nan=False)) == _one(text)
