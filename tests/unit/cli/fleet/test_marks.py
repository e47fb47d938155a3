"""`retry`, `pause`, `resume`, `sync`: one annotation each, on what is meant and on nothing else."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.memory_cluster import Fault
from tests.unit.cli.fleet.conftest import Desk

MARKS = {
    "retry": names.RECONCILE_ANNOTATION,
    "pause": names.PAUSED_ANNOTATION,
    "sync": names.SYNC_ANNOTATION,
}


@pytest.mark.parametrize("command", MARKS)
def test_a_command_sets_its_annotation_and_writes_nothing_else(desk: Desk, command: str) -> None:
    desk.put("orders", metadata={"annotations": {"mine": "kept"}})
    desk.put("stock")
    assert desk(command, "orders").output.startswith("team-a/orders ")
    assert set(desk.annotations("orders")) == {"mine", MARKS[command]}
    assert not desk.annotations("stock")
    (write,) = desk.api.writes()
    assert (write.verb, write.subresource, set(write.body)) == ("patch", "", {"metadata"})  # type: ignore[call-overload]


def test_pausing_twice_writes_once_and_resume_takes_it_back(desk: Desk) -> None:
    desk.put("orders")
    desk("pause", "orders")
    assert "1 was so already." in desk("pause", "orders").output
    assert not desk.api.writes()
    desk("resume", "orders")
    assert not desk.annotations("orders")


def test_each_retry_asks_anew(desk: Desk) -> None:
    desk.put("orders")
    desk("retry", "orders")
    before = desk.annotations("orders")
    desk("retry", "orders")
    assert desk.annotations("orders") != before


def test_several_are_chosen_by_namespace_label_reason_or_all(desk: Desk) -> None:
    desk.put("orders", reason="TargetFailed", metadata={"labels": {"app": "search"}})
    desk.put("stock", reason="NameConflict")
    desk.put("far", namespace="team-b", reason="TargetFailed")

    def told(*arguments: str) -> set[str]:
        return {line.split()[0] for line in desk("pause", "--dry-run", *arguments).output.splitlines()}

    assert told("-n", "team-b") == {"team-b/far"}
    assert told("-l", "app=search") == {"team-a/orders"}
    assert told("-A", "--reason", "TargetFailed") == {"team-a/orders", "team-b/far"}
    assert told("--all") == {"team-a/orders", "team-a/stock"}
    assert told("--all", "-A") == {"team-a/orders", "team-a/stock", "team-b/far"}
    assert not desk.api.writes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say which"),
        (["-A"], "Say which"),
        (["orders", "--all"], "not both"),
        (["absent"], "no MCPServer 'absent' in namespace team-a"),
        (["--reason", "Nothing"], "none in namespace team-a fits"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(desk: Desk, arguments: list[str], words: str) -> None:
    assert words in desk("pause", *arguments, exits=1).output
    assert not desk.api.writes()


def test_what_is_gone_meanwhile_is_said_and_the_others_are_written(desk: Desk) -> None:
    desk.put("orders")
    desk.put("stock")
    gone = ApiError(404, "NotFound", "not found")
    desk.faults = lambda request: Fault(refuse=gone) if request.name == "stock" and request.mutates else None
    said = desk("pause", "--all", exits=1).output
    assert "team-a/stock: it is gone" in said
    assert desk.annotations("orders")


def test_without_the_right_to_patch_a_sentence_names_the_role(desk: Desk) -> None:
    desk.put("orders")
    no = ApiError(403, "Forbidden", "user x cannot patch mcpservers")
    desk.faults = lambda request: Fault(refuse=no) if request.mutates else None
    assert "mcpserver-editor-role" in desk("pause", "orders", exits=1).output
