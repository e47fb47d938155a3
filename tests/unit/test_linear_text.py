"""Text without a bound costs time in proportion to its length, whoever wrote it.

A tenant's text may have 600 KB, AWS's answers and Kubernetes' errors are bounded by nothing that we decide,
and all of it is read on the event loop. So eight times the text may take eight times as long, not sixty-four.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from mcp_gateway_operator.agentcore.aws.classify_error import clean
from mcp_gateway_operator.api.aws_values import default_target_name
from mcp_gateway_operator.api.schema import Node, describe
from mcp_gateway_operator.api.types import MCPServer, MCPServerSpec
from mcp_gateway_operator.api.validation import validate
from mcp_gateway_operator.targets.rules import classify
from mcp_gateway_operator.targets.shape import without_marker
from mcp_gateway_operator.targets.shape.target import find_marker, with_marker
from tests.support.patterns import Made, Use, attacks, closed_over, sources, uses
from tests.unit.api.cases import merged

ROOT: Final = Path(__file__).parents[2]
ONE: Final = 1000
"""Characters of the text that is compared with one of eight times as many."""
TIMES: Final = 20
"""What eight times the text may cost: linear is 8, quadratic 64."""
NOTHING: Final = 0.004
"""Seconds of CPU that are within the noise; a quadratic pattern takes a hundred times as long."""


def seconds(run: Callable[[str], object], text: str) -> float:
    """Return the least CPU time of this thread in three runs."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        run(text)
        taken.append(time.thread_time() - began)
        if taken[-1] < NOTHING:
            break
    return min(taken)


def slow(run: Callable[[str], object], before: str, part: str, behind: str) -> bool:
    """Return whether eight times the text takes far more than eight times as long."""
    # An exponential pattern shows at a few dozen characters, and would never end at thousands.
    for size in (24, 64, 8 * ONE):
        taken = seconds(run, before + part * (size // len(part)) + behind)
        if taken > NOTHING:
            # The engine takes some 10 ns a character and try.
            eighth = seconds(run, before + part * (size // 8 // len(part)) + behind)
            return taken > TIMES * max(eighth, NOTHING / TIMES)
    return False


def rule_patterns(node: Node) -> Iterator[Use]:
    for rule in node.field.rules:
        patterns = list(closed_over(rule.holds))
        # `lacks` searches, `_unless` has three patterns that are matched, `matches` wants the whole text.
        method = "search" if rule.cel.startswith("!self.matches(") else "fullmatch"
        method = "match" if len(patterns) > 1 else method
        yield from (Use(f"rule {rule.message}", pattern, method) for pattern in patterns)
    for child in (*node.properties.values(), *((node.item,) if node.item else ())):
        yield from rule_patterns(child)


def of_the_rules() -> list[Use]:
    found = list(rule_patterns(describe(MCPServer)))
    assert found
    return found


def of_the_service_model() -> list[Use]:
    """Return the patterns of what the simulator's operations on gateways, targets and sessions take."""
    from agentcore_simulator.protocol.request_validation import _compiled  # noqa: PLC0415
    from agentcore_simulator.protocol.service_model import service_model, sts_shapes  # noqa: PLC0415

    model = service_model()
    waiting = [each.input for each in model.operations.values() if "Gateway" in each.name]
    shapes: dict[str, dict[str, Any]] = {}
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = shape = model.shapes[name]
            inner = [
                *shape.get("members", {}).values(),
                *(shape.get(key) for key in ("member", "key", "value")),
            ]
            waiting += [each["shape"] for each in inner if each]
    return [
        Use(name, _compiled(shape["pattern"]), "fullmatch")
        for name, shape in (*shapes.items(), *sts_shapes().items())
        if "pattern" in shape
    ]


def of_the_partitions() -> list[Use]:
    """Return the patterns of Region names that botocore ships."""
    from agentcore_simulator.protocol.partitions import _known  # noqa: PLC0415

    return [Use(partition.id, pattern, "match") for pattern, partition in _known()]


def of_the_causes() -> list[Use]:
    """Return the patterns that AWS's words are searched for."""
    from mcp_gateway_operator.targets.rules.refusal_causes import CAUSES  # noqa: PLC0415

    return [Use(cause.quote, pattern, "search") for cause in CAUSES for pattern in cause.words]


def of_the_go_modules() -> list[Use]:
    """Return the patterns that versions are read with."""
    from mcp_gateway_operator_demo.localcluster.gomodule import _line_of  # noqa: PLC0415

    return [Use("go.mod", _line_of(package), "search") for package in ("", "k8s.io/kubernetes")]


MAKERS: Final[dict[str, Callable[[], list[Use]]]] = {
    "matches": of_the_rules,
    "lacks": of_the_rules,
    "_unless": of_the_rules,
    "_compiled": of_the_service_model,
    "_known": of_the_partitions,
    "_words": of_the_causes,
    "_line_of": of_the_go_modules,
}
"""Functions that compile what they are given, and everything that they are given."""


def every_use() -> list[Use]:
    found: dict[tuple[str, int, str], Use] = {}
    for name, path in sources(ROOT):
        for use in uses(name, path):
            if isinstance(use, Made):
                assert use.function in MAKERS, f"{use}: say in MAKERS which patterns it makes"
            else:
                found.setdefault((use.pattern.pattern, use.pattern.flags, use.method), use)
    for make in MAKERS.values():
        for use in make():
            found.setdefault((use.pattern.pattern, use.pattern.flags, use.method), use)
    return list(found.values())


def test_every_pattern_takes_time_in_proportion_to_the_text() -> None:
    bad = [
        f"{use.place}.{use.method}: {use.pattern.pattern!r} on {attack}"
        for use in every_use()
        if (attack := next((each for each in attacks(use.pattern) if slow(use.run, *each)), None))
    ]

    assert not bad, "\n".join(bad)


TEXTS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "endpoint": lambda text: {"endpoint": f"https://{text}"},
    "capabilities": lambda text: {"capabilities": ["tools", text]},
    "gatewayId": lambda text: {"gatewayId": text},
    "targetName": lambda text: {"targetName": text},
    "description": lambda text: {"description": text},
    "oauthProviderArn": lambda text: {"authType": "OAuth2", "oauthProviderArn": text},
    "oauthScopes": lambda text: {"oauthScopes": [text]},
    "allowedRequestHeaders": lambda text: {"allowedRequestHeaders": [text]},
    "allowedQueryParameters": lambda text: {"allowedQueryParameters": [text]},
    "allowedResponseHeaders": lambda text: {"allowedResponseHeaders": [text]},
}
"""What the Go operator's CRD bounds by nothing, and config/crd/legacy neither."""
PUMPS: Final = [
    " ",
    "a",
    "a-",
    "0",
    "[mcps ",
    "[mcps a]",
    "arn:",
    ":",
    "/",
    ".",
    "a.",
    "%",
    "@",
    "é",
    "\n",
    "\u2028",
]


@pytest.mark.parametrize("field", TEXTS)
def test_a_spec_of_any_size_is_checked_in_proportion_to_it(field: str) -> None:
    def check(text: str) -> None:
        validate(msgspec.convert(merged(TEXTS[field](text)), MCPServerSpec))

    assert [pump for pump in PUMPS if slow(check, "", pump, "")] == []


def test_the_longest_description_that_an_old_crd_admits_is_refused_at_once() -> None:
    """It held the event loop, with everybody's objects, for 68 seconds."""
    spec = msgspec.convert(merged({"description": "[mcps a" * 100_000 + "]"}), MCPServerSpec)
    began = time.thread_time()

    (problem,) = validate(spec)

    assert time.thread_time() - began < 1.0
    assert problem.message == "too long: shorten it from 700001 to 200 characters"


READERS: Final[dict[str, Callable[[str], object]]] = {
    "marker.find": lambda text: find_marker(f"[mcps {text}"),
    "marker.strip": without_marker,
    "marker.append": lambda text: with_marker(text, "abcdef/abcdefghijkl"),
    "default_target_name": default_target_name,
    "classify": lambda text: classify([text]),
    "clean": clean,
}


@pytest.mark.parametrize("reader", READERS)
def test_what_aws_and_users_write_is_read_in_proportion_to_it(reader: str) -> None:
    assert [pump for pump in PUMPS if slow(READERS[reader], "", pump, "")] == []
