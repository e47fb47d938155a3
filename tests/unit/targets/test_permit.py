"""Who may be on a gateway: what an MCPGateway permits, and everything that comes close."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.api.mcpgateway import Allow, LabelExpression, LabelSelector, MCPGateway
from mcp_gateway_operator.api.mcpgateway_rules import GatewayArn
from mcp_gateway_operator.api.schema import Node, check, describe
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.targets.permit import Refusal, allowed_endpoints, decision, fields
from mcp_gateway_operator.targets.permit.fields import SPEC_FIELDS, Treatment
from tests.unit.targets.permits import ALLOW, IDP, PERMITTED, POLICY, REFUSED, VAULT, ask, spec_of

NOTHING = "(?!)"


def but(**changes: Any) -> Any:
    """Return the MCPGateway's spec with another only entry."""
    return msgspec.structs.replace(POLICY, allow=(msgspec.structs.replace(ALLOW, **changes),))


@pytest.mark.parametrize("written", PERMITTED.values(), ids=PERMITTED)
def test_what_is_permitted(written: dict[str, Any]) -> None:
    assert ask(written) is None


@pytest.mark.parametrize(("rule", "written"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(rule: str, written: dict[str, Any]) -> None:
    found = ask(written)
    assert found is not None
    assert found.rule == rule


def test_the_entries_of_the_test_are_ones_that_can_be_written() -> None:
    node = describe(MCPGateway).properties["spec"]
    assert list(check(msgspec.to_builtins(POLICY), node, "spec", closed=True)) == []


@pytest.mark.parametrize("name", ["namespaces", "auth_types", "grant_types", "endpoints", "providers"])
def test_absent_and_empty_permit_nothing(name: str) -> None:
    absent = None if name == "namespaces" else ()
    assert ask(policy=but(**{name: absent})) is not None
    assert ask(policy=msgspec.structs.replace(POLICY, allow=())) is not None
    assert ask(policy=msgspec.structs.replace(POLICY, allow=(Allow(),))) is not None


def test_entries_are_alternatives_and_not_a_sum() -> None:
    one = msgspec.structs.replace(ALLOW, endpoints=("https://one.example.com",), providers=("one",))
    two = msgspec.structs.replace(ALLOW, endpoints=("https://two.example.com",), providers=("two",))
    policy = msgspec.structs.replace(POLICY, allow=(one, two))

    def use(host: str, provider: str) -> Refusal | None:
        arn = f"{VAULT}/oauth2credentialprovider/{provider}"
        return ask({"endpoint": f"https://{host}.example.com", "oauthProviderArn": arn}, policy=policy)

    assert use("one", "one") is None
    assert use("two", "two") is None
    assert use("one", "two") is not None
    assert use("two", "one") is not None


def test_the_refusal_speaks_of_the_entry_that_comes_nearest_and_names_no_other() -> None:
    other = msgspec.structs.replace(
        ALLOW, namespaces=LabelSelector(match_labels={"kubernetes.io/metadata.name": "secret-team"})
    )
    policy = msgspec.structs.replace(POLICY, allow=(other, ALLOW))
    found = ask({"endpoint": "https://evil.example"}, policy=policy)
    assert found is not None
    assert found.rule == "endpoints"
    assert "https://evil.example" in found.message
    assert "secret" not in found.message


SELECTORS: list[tuple[LabelSelector, dict[str, str], bool]] = [
    (LabelSelector(), {}, True),
    (LabelSelector(match_labels={"a": "1"}), {"a": "1", "b": "2"}, True),
    (LabelSelector(match_labels={"a": "1", "b": "2"}), {"a": "1"}, False),
    (LabelSelector(match_labels={"a": ""}), {}, False),
]
EXPRESSIONS: list[tuple[str, tuple[str, ...], dict[str, str], bool]] = [
    ("In", ("1", "2"), {"a": "2"}, True),
    ("In", ("1", "2"), {"a": "3"}, False),
    ("In", ("1",), {}, False),
    ("In", (), {"a": "1"}, False),
    ("NotIn", ("1",), {"a": "2"}, True),
    ("NotIn", ("1",), {"a": "1"}, False),
    ("NotIn", ("1",), {}, True),
    ("NotIn", (), {"a": "1"}, False),
    ("Exists", (), {"a": ""}, True),
    ("Exists", (), {}, False),
    ("Exists", ("1",), {"a": "1"}, False),
    ("DoesNotExist", (), {}, True),
    ("DoesNotExist", (), {"a": ""}, False),
    ("DoesNotExist", ("1",), {}, False),
    ("Like", ("1",), {"a": "1"}, False),
    ("", (), {"a": "1"}, False),
]


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        *SELECTORS,
        *(
            (
                LabelSelector(match_expressions=(LabelExpression(key="a", operator=name, values=values),)),
                labels,
                selected,
            )
            for name, values, labels, selected in EXPRESSIONS
        ),
    ],
)
def test_selectors(selector: LabelSelector, labels: dict[str, str], selected: bool) -> None:
    assert (ask(policy=but(namespaces=selector), labels=labels) is None) == selected


def test_labels_that_cannot_be_read_are_selected_by_everything_alone() -> None:
    gateway = GatewayArn.parse(POLICY.gateway_arn)
    assert gateway is not None
    spec = spec_of({})
    use = decision.Use(namespace="team-a", labels=None, spec=spec, gateway=gateway)
    nothing_set = LabelSelector(
        match_expressions=(LabelExpression(key="quarantine", operator="DoesNotExist"),)
    )
    assert decision.refusal(but(namespaces=LabelSelector()), use) is None
    assert decision.refusal(but(namespaces=nothing_set), use) is not None
    assert decision.refusal(POLICY, use) is not None


@pytest.mark.parametrize(
    ("namespace", "entry", "name", "permitted"),
    [
        ("team", "${namespace}_*", "team_idp", True),
        ("team", "${namespace}_*", "team_", True),
        ("team", "${namespace}_*", "team-a_idp", False),
        ("team", "${namespace}_*", "team", False),
        ("team", "${namespace}", "team", True),
        ("team", "${namespace}", "team_idp", False),
        ("team", "${namespace}_idp", "team_idp", True),
        ("team", "${namespace}_idp", "team_idp2", False),
        # What the API server does not admit permits nothing, should it be there all the same.
        ("team", "${namespace}*", "team_idp", False),
        ("team", "${namespace}-*", "team-a", False),
        ("team", "x${namespace}_*", "xteam_idp", False),
        ("team", "*_idp", "team_idp", False),
        ("team", "t*m_idp", "team_idp", False),
        ("team", "**", "team_idp", False),
        ("team", "", "team_idp", False),
        ("", "${namespace}_*", "_idp", False),
        ("team", "*", "anything", True),
    ],
)
def test_names_of_providers(namespace: str, entry: str, name: str, permitted: bool) -> None:
    written = {"oauthProviderArn": f"{VAULT}/oauth2credentialprovider/{name}"}
    policy = but(providers=(entry,), namespaces=LabelSelector())
    assert (ask(written, policy=policy, namespace=namespace) is None) == permitted


ANY_ENDPOINT = [
    ("https://orders.example.com/mcp", True),
    ("https://orders.example.com:8443/mcp", True),
    ("https://localhost", True),
    ("https://192.0.2.7/mcp", False),
    ("https://0x7f.1/mcp", False),
    ("https://Orders.example.com/mcp", False),
    ("https://orders.example.com/a/../b", False),
    ("https://orders.example.com/a%2Fb", False),
    ("https://[::1]/mcp", False),
    ("http://orders.example.com/mcp", False),
]


@pytest.mark.parametrize(("endpoint", "permitted"), ANY_ENDPOINT)
def test_a_star_is_every_endpoint_that_has_a_name_and_one_reading(endpoint: str, permitted: bool) -> None:
    assert (ask({"endpoint": endpoint}, policy=but(endpoints=("*",))) is None) == permitted


def leaves(node: Node, prefix: str = "") -> Iterator[str]:
    """Yield the paths of a description's leaves."""
    for name, child in node.properties.items():
        path = f"{prefix}{name}"
        if child.kind == "object" and child.properties:
            yield from leaves(child, f"{path}.")
        else:
            yield path


def test_every_field_of_the_spec_stands_in_the_table_once() -> None:
    """Who adds a field says here what becomes of it on a governed gateway; until then it is refused there."""
    known = list(leaves(describe(MCPServer).properties["spec"]))
    held = {path: [each for each in SPEC_FIELDS if f"{path}.".startswith(f"{each}.")] for path in known}
    assert [path for path, entries in held.items() if len(entries) != 1] == []
    assert [each for each in SPEC_FIELDS if not any(each in entries for entries in held.values())] == []


def test_a_field_that_stands_in_no_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for path, treatment in SPEC_FIELDS.items():
        if treatment is not Treatment.FREE:
            continue
        monkeypatch.setattr(
            fields, "SPEC_FIELDS", {each: how for each, how in SPEC_FIELDS.items() if each != path}
        )
        parent, _, child = path.rpartition(".")
        plain = {parent: {child: "x"}} if parent else {child: "x"}
        assert list(fields.denied_fields(plain)) == [path]


def test_an_entry_is_read_once_for_however_many_mcpservers() -> None:
    entries = [tuple(f"https://h{at}-{number}.example.com" for number in range(16)) for at in range(64)]
    allow = tuple(msgspec.structs.replace(ALLOW, endpoints=each) for each in entries)
    policy = msgspec.structs.replace(POLICY, allow=allow)
    before = allowed_endpoints._entry.cache_info().misses
    for number in range(3):
        assert ask({"endpoint": f"https://other-{number}.example.com"}, policy=policy) is not None
    assert ask({"endpoint": "https://h63-15.example.com"}, policy=policy) is None
    assert allowed_endpoints._entry.cache_info().misses - before == 64 * 16


# -- every rule is needed -------------------------------------------------------------------------------


def _refuses_all() -> bool:
    return all(ask(written) is not None for _, written in REFUSED.values()) and all(
        (
            ask({"oauthProviderArn": f"{VAULT}/oauth2credentialprovider/shared"}, namespace="team-b")
            is not None,
            ask(policy=but(auth_types=("NoAuth",))) is not None,
        )
    )


@pytest.mark.parametrize("at", range(len(decision.FIELD_RULES)))
def test_without_a_rule_for_fields_something_gets_through(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _refuses_all()
    rules = [rule for index, rule in enumerate(decision.FIELD_RULES) if index != at]
    monkeypatch.setattr(decision, "FIELD_RULES", tuple(rules))
    assert not _refuses_all()


@pytest.mark.parametrize("name", [name for name, _, _ in decision.ENTRY_RULES])
def test_without_a_rule_for_entries_something_gets_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [rule for rule in decision.ENTRY_RULES if rule[0] != name]
    monkeypatch.setattr(decision, "ENTRY_RULES", tuple(rules))
    assert not _refuses_all()


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("_plain", lambda _path: True),
        ("_host_within", lambda _address, _allowed, *, wide: True),  # noqa: ARG005  -- a mutant
        ("_path_within", lambda _path, _prefix: True),
        ("NUMERIC", NOTHING),
        ("DEFAULT_PORT", "8443"),
        ("LONGEST_HOST", 10_000),
        ("ESCAPES", NOTHING),
        ("SEGMENTS", NOTHING),
    ],
)
def test_without_a_part_of_reading_endpoints_something_gets_through(
    name: str, mutant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowed_endpoints, name, mutant)
    for cache in ("_endpoint", "_entry"):
        # Nothing that was read before, and nothing that a mutant reads is left to others.
        monkeypatch.setattr(allowed_endpoints, cache, allowed_endpoints._read)
    assert not _refuses_all() or not all(
        (ask({"endpoint": endpoint}, policy=but(endpoints=("*",))) is None) == permitted
        for endpoint, permitted in ANY_ENDPOINT
    )


@pytest.mark.parametrize("path", [each for each, how in SPEC_FIELDS.items() if how is Treatment.DENIED])
def test_without_a_denied_field_something_gets_through(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "SPEC_FIELDS", {**SPEC_FIELDS, path: Treatment.FREE})
    assert not _refuses_all()


# -- properties -----------------------------------------------------------------------------------------

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
PIECES = st.sampled_from(
    [
        "/",
        "//",
        "..",
        ".",
        "%2F",
        "%2f",
        "%5C",
        "%252F",
        "%2e",
        ";",
        "\\",
        "team-a",
        "team-b",
        "x",
        "%",
        "?",
        "#",
        "@",
        ":",
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_no_path_leaves_its_prefix(rest: str) -> None:
    """Whoever decodes it, however often, and takes dots and slashes as it likes, stays below the prefix."""
    endpoint = f"https://shared.example.com/team-a{rest}"
    if ask({"endpoint": endpoint}) is not None:
        return
    path = endpoint.removeprefix("https://shared.example.com").partition("?")[0]
    for _ in range(4):
        assert path == "/team-a" or path.startswith("/team-a/")
        assert not {"..", "."} & {part.partition(";")[0] for part in path.split("/")}
        assert "//" not in path
        assert "\\" not in path
        path = unquote(path)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_beside_the_suffix_makes_a_host(before: str, behind: str) -> None:
    endpoint = f"https://{before}.a.mcp.example.com{behind}"
    if ask({"endpoint": endpoint}) is not None:
        return
    assert re.fullmatch(r"([a-z0-9-]+[.])*[a-z0-9-]+", before)
    assert behind == "" or behind[0] == "/" or behind.startswith(":443")


@given(LABELS, LABELS, st.text("abc_-*", max_size=6))
def test_no_namespace_gets_the_providers_of_another(mine: str, other: str, rest: str) -> None:
    if mine == other:
        return
    policy = but(providers=("${namespace}_*", "${namespace}"), namespaces=LabelSelector())
    for name in (f"{other}_{rest}", other):
        written = {"oauthProviderArn": f"{VAULT}/oauth2credentialprovider/{name}"}
        assert ask(written, policy=policy, namespace=mine) is not None


@given(st.text(max_size=40))
def test_no_text_is_a_provider_but_an_arn(text: str) -> None:
    policy = but(providers=("*",))
    assert ask({"oauthProviderArn": text}, policy=policy) is not None
    assert ask({"oauthProviderArn": IDP}, policy=policy) is None
