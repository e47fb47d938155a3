"""What the table believes of reads and writes that overlap."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_operator.agentcore.observe import Change, GatewayTable
from mcp_gateway_operator.targets.known import LIST_LAG, AgentCoreError, ErrorKind
from mcp_gateway_operator.targets.shape import TargetStatus, TargetSummary
from tests.unit.agentcore.samples import absent_at, is_ready, is_settled, summary, target

MARK = "abcdef/abcdefghijkl"


@pytest.fixture
def table() -> GatewayTable:
    """A table without rows."""
    return GatewayTable("g")


def test_a_list_fills_the_table(table: GatewayTable) -> None:
    """A list fills the table."""
    changes = table.apply_list([summary("t1"), summary("t2")], began=5)
    assert changes == [Change("t1", None, summary("t1")), Change("t2", None, summary("t2"))]
    assert table.view.listed_at == 5
    assert table.was_listed("t1")
    assert [row.summary.target_id for row in table.rows()] == ["t1", "t2"]
    row = table.row("t2")
    assert row is not None
    assert (row.read_began, row.listed) == (5, True)


def test_an_equal_list_changes_nothing_but_the_watermark(table: GatewayTable) -> None:
    """An equal list changes nothing but the watermark."""
    table.apply_list([summary()], began=5)
    assert table.apply_list([summary()], began=6) == []
    row = table.row("t1")
    assert row is not None
    assert row.read_began == 6


def test_names_and_markers_may_have_several_rows(table: GatewayTable) -> None:
    """Names and markers may have several rows."""
    marked = f"tools [mcps {MARK}]"
    table.apply_list(
        [summary("t1", name="a", description=marked), summary("t2", name="a"), summary("t3", name="b")],
        began=1,
    )
    assert [row.summary.target_id for row in table.named("a")] == ["t1", "t2"]
    assert [row.summary.target_id for row in table.marked(MARK)] == ["t1"]
    table.apply_list([summary("t1", name="c"), summary("t3", name="b", description=marked)], began=2)
    assert table.named("a") == ()
    assert [row.summary.target_id for row in table.named("c")] == ["t1"]
    assert [row.summary.target_id for row in table.marked(MARK)] == ["t3"]


def test_a_row_that_a_list_lacks_is_gone_but_remembered_as_listed(table: GatewayTable) -> None:
    """A row that a list lacks is gone but remembered as listed."""
    table.apply_list([summary()], began=1)
    assert table.apply_list([], began=2) == [Change("t1", summary(), None)]
    assert table.row("t1") is None
    assert table.was_listed("t1")
    assert not table.was_listed("t2")


def test_an_older_list_never_overwrites_a_write(table: GatewayTable) -> None:
    """An older list never overwrites a write."""
    table.apply_list([summary()], began=1)
    table.apply_write(target(status="UPDATING", updated=9), began=9, ended=10)
    assert table.apply_list([summary()], began=9.5) == []
    assert table.apply_list([], began=9.5) == []
    row = table.row("t1")
    assert row is not None
    assert row.summary.status == "UPDATING"


def test_an_older_read_never_overwrites_a_newer_one(table: GatewayTable) -> None:
    """An older read never overwrites a newer one."""
    table.apply_get(target(updated=5, name="new"), began=5)
    table.apply_list([summary(name="old")], began=4)
    assert table.named("old") == ()
    assert table.was_listed("t1")


def test_our_own_create_is_kept_while_lists_lag(table: GatewayTable) -> None:
    """Our own create is kept while lists lag."""
    table.apply_write(target(status="CREATING", updated=10), began=9, ended=10)
    assert table.apply_list([], began=11) == []
    assert table.apply_list([], began=10 + LIST_LAG) == []
    assert not table.was_listed("t1")
    assert table.apply_list([], began=10 + LIST_LAG + 1) == [
        Change("t1", summary(status="CREATING", updated=10), None)
    ]


def test_a_created_target_once_listed_vanishes_as_any_other(table: GatewayTable) -> None:
    """A created target once listed vanishes as any other."""
    table.apply_write(target(status="CREATING"), began=9, ended=10)
    table.apply_list([summary()], began=11)
    assert len(table.apply_list([], began=12)) == 1


def test_pages_that_shift_do_not_make_a_target_vanish(table: GatewayTable) -> None:
    """Pages that shift do not make a target vanish."""
    table.apply_list([summary("t1"), summary("t2")], began=1, pages=2)
    assert table.apply_list([summary("t1")], began=2, pages=2) == []
    assert table.apply_list([summary("t1")], began=3, pages=2) == [Change("t2", summary("t2"), None)]


def test_ready_after_a_write_needs_a_read_begun_after_its_answer(table: GatewayTable) -> None:
    """Ready after a write needs a read begun after its answer."""
    table.apply_write(target(status="READY", updated=10), began=9, ended=10)
    assert not is_ready(table, "t1")
    table.apply_list([summary(updated=10)], began=9.9)
    assert not is_ready(table, "t1")
    assert table.apply_list([summary(updated=10)], began=10.1) == [
        Change("t1", summary(updated=10), summary(updated=10))
    ]
    assert is_ready(table, "t1")
    assert is_settled(table, "t1")


def test_lists_that_lag_are_not_believed_however_often_they_agree(table: GatewayTable) -> None:
    """Not believed before a minute after the write: a List that lags agrees with itself."""
    table.apply_write(target(status="UPDATING", updated=10), began=9, ended=10)
    for began in (11, 13, 30, 10 + LIST_LAG):
        assert len(table.apply_list([summary(updated=1)], began=began)) == (began == 11)
        assert not is_ready(table, "t1")
        assert not is_settled(table, "t1")
    assert len(table.apply_list([summary(updated=1)], began=10 + LIST_LAG + 1)) == 1
    assert is_ready(table, "t1")


def synchronizing(table: GatewayTable) -> GatewayTable:
    """Have AWS index the tools of a READY target, in an answer whose `updatedAt` is the old one."""
    table.apply_list([summary(updated=1)], began=5)
    table.apply_write(target(status="SYNCHRONIZING", updated=1), began=9, ended=10)
    return table


def test_a_list_that_lags_behind_a_synchronize_is_not_believed(table: GatewayTable) -> None:
    """What moves no `updatedAt` cannot be told from what was before: two seconds must agree."""
    synchronizing(table).apply_list([summary(updated=1)], began=11)
    assert not is_ready(table, "t1")
    table.apply_list([summary(updated=1)], began=13)
    assert is_ready(table, "t1")


@pytest.mark.parametrize(
    "after",
    [
        summary(updated=1, last_synchronized_at="2026-01-01T12:00:11Z"),
        summary(updated=1, status="SYNCHRONIZE_UNSUCCESSFUL"),
    ],
)
def test_what_a_synchronize_brought_about_is_believed_at_once(
    table: GatewayTable, after: TargetSummary
) -> None:
    """Another state, or another time of indexing, cannot be from before."""
    synchronizing(table).apply_list([after], began=11)
    assert is_settled(table, "t1")


def test_the_end_of_a_synchronize_that_was_seen_is_believed_at_once(table: GatewayTable) -> None:
    """What comes after SYNCHRONIZING in Lists comes after the Synchronize."""
    synchronizing(table).apply_list([summary(updated=1, status="SYNCHRONIZING")], began=11)
    assert not is_settled(table, "t1")
    table.apply_list([summary(updated=1)], began=12)
    assert is_ready(table, "t1")


def test_whole_seconds_suffice_where_lists_show_no_more(table: GatewayTable) -> None:
    """Whole seconds suffice where lists show no more."""
    table.apply_write(target(status="UPDATING", updated=10.25), began=9, ended=10)
    table.apply_list([summary(updated=9)], began=11)
    assert not is_ready(table, "t1")
    table.apply_list([summary(updated=10)], began=12)
    assert is_ready(table, "t1")


def test_after_a_delete_a_read_that_disagrees_starts_the_two_seconds_again(table: GatewayTable) -> None:
    """A read that disagrees starts the two seconds again."""
    table.apply_list([summary()], began=1)
    table.apply_deleted("t1", TargetStatus.DELETING, began=9, ended=10)
    table.apply_list([summary()], began=11)
    table.apply_list([summary(status="DELETING")], began=12)
    table.apply_list([summary()], began=14)
    assert not is_ready(table, "t1")


def test_instants_are_compared_and_not_their_spelling(table: GatewayTable) -> None:
    """Instants are compared and not their spelling."""
    table.apply_write(target(status="UPDATING"), began=9, ended=10)
    other = summary()
    same = type(other)(
        target_id="t1",
        name=other.name,
        status=TargetStatus.READY,
        created_at=other.created_at,
        updated_at="2026-01-01T13:00:00+01:00",
    )
    table.apply_list([same], began=11)
    assert is_ready(table, "t1")


def test_a_timestamp_that_is_none_proves_nothing(table: GatewayTable) -> None:
    """A timestamp that is none proves nothing."""
    table.apply_write(target(status="UPDATING"), began=9, ended=10)
    odd = type(summary())(target_id="t1", name="n", status=TargetStatus.READY, created_at="?", updated_at="?")
    table.apply_list([odd], began=11)
    assert not is_ready(table, "t1")


def test_ready_is_believed_without_a_write_of_ours(table: GatewayTable) -> None:
    """Ready is believed without a write of ours."""
    table.apply_list([summary()], began=1)
    assert is_ready(table, "t1")
    assert not is_ready(table, "t2")


def test_failed_is_settled_and_not_ready(table: GatewayTable) -> None:
    """Failed is settled and not ready."""
    table.apply_list([summary(status="FAILED"), summary("t2", "CREATING")], began=1)
    assert is_settled(table, "t1")
    assert not is_ready(table, "t1")
    assert not is_settled(table, "t2")


def test_a_delete_shows_at_once_and_one_ready_after_it_is_not_believed(table: GatewayTable) -> None:
    """A delete shows at once and one ready after it is not believed."""
    table.apply_list([summary()], began=1)
    changes = table.apply_deleted("t1", TargetStatus.DELETING, began=9, ended=10)
    assert [change.after.status for change in changes if change.after] == ["DELETING"]
    table.apply_list([summary()], began=11)
    assert not is_ready(table, "t1")
    table.apply_list([summary()], began=13)
    assert is_ready(table, "t1")


def test_a_delete_of_an_unknown_target_changes_nothing(table: GatewayTable) -> None:
    """A delete of an unknown target changes nothing."""
    assert table.apply_deleted("t1", TargetStatus.DELETING, began=9, ended=10) == []


def test_absences_are_an_unbroken_run(table: GatewayTable) -> None:
    """Absences are an unbroken run."""
    assert table.absences("t1") is None
    table.apply_absent("t1", began=5)
    table.apply_absent("t1", began=8)
    assert table.absences("t1") == (5, 8)
    table.apply_get(target(), began=7)
    assert table.absences("t1") == (5, 8)
    table.apply_list([summary()], began=9)
    assert table.absences("t1") is None
    assert absent_at(table, "t1") == 8
    table.apply_absent("t1", began=10)
    assert table.absences("t1") == (10, 10)


def test_a_read_that_began_with_a_404_does_not_end_its_run(table: GatewayTable) -> None:
    """Of two that began in the same moment, the one that shows the target may be the staler one."""
    table.apply_list([summary()], began=1)
    table.apply_absent("t1", began=5)
    table.apply_list([summary()], began=5)
    assert table.absences("t1") == (5, 5)


def test_a_404_from_before_our_create_counts_for_nothing(table: GatewayTable) -> None:
    """A 404 from before our create counts for nothing."""
    table.apply_write(target(status="CREATING"), began=9, ended=10)
    table.apply_absent("t1", began=9.5)
    assert table.absences("t1") is None


def test_a_404_leaves_the_row_to_the_next_list(table: GatewayTable) -> None:
    """A 404 leaves the row to the next list."""
    table.apply_list([summary()], began=1)
    table.apply_absent("t1", began=2)
    assert table.row("t1") is not None


def test_a_full_answer_without_defaulted_fields_keeps_them(table: GatewayTable) -> None:
    """A full answer without defaulted fields keeps them."""
    table.apply_list([summary(listing_mode="DEFAULT", resource_priority=1000)], began=1)
    assert table.apply_get(target(), began=2) == []


def test_failed_lists_are_news_once_and_404s_a_run(table: GatewayTable) -> None:
    """Failed lists are news once and 404s a run."""
    missing = AgentCoreError(ErrorKind.NOT_FOUND, "ResourceNotFoundException", "no gateway")
    busy = AgentCoreError(ErrorKind.THROTTLED, "ThrottlingException", "slow down")
    broken = AgentCoreError(ErrorKind.TRANSIENT, "InternalServerException", "oops")
    story = [(missing, 1), (missing, 2), (busy, 3), (broken, 4), (missing, 5)]
    heard = [(table.apply_failed_list(error, began=at), table.view.missing_since) for error, at in story]
    assert heard == [(True, 1), (False, 1), (True, 1), (True, None), (True, 5)]
    table.apply_list([], began=6)
    assert table.view.error is None
    assert table.view.missing_since is None


def test_what_no_longer_matters_is_forgotten(table: GatewayTable) -> None:
    """What no longer matters is forgotten."""
    table.apply_absent("t0", began=0)
    for number in range(2000):
        table.apply_list([summary(f"t{number}")], began=float(number))
    assert absent_at(table, "t0") is None
    assert not table.was_listed("t5")
    assert table.was_listed("t1998")


step = st.tuples(
    st.sampled_from(["list", "empty", "get", "write", "delete", "absent"]),
    st.sampled_from(["t1", "t2"]),
    st.sampled_from(["READY", "UPDATING", "FAILED"]),
    st.floats(0, 5),
    st.floats(0, 3),
)


@settings(deadline=None)
@given(steps=st.lists(step, max_size=40))
def test_indexes_agree_with_the_rows_and_time_never_runs_back(
    steps: list[tuple[str, str, str, float, float]],
) -> None:
    """Answers arrive up to 3 s after their requests began, in any order."""
    table = GatewayTable("g")
    now = 0.0
    written: dict[str, float] = {}
    for number, (kind, target_id, status, pause, took) in enumerate(steps):
        now += pause
        began = now - took
        name = f"n{number % 3}"
        before = {row.summary.target_id: row.read_began for row in table.rows()}
        if kind == "list":
            table.apply_list([summary(target_id, status, name=name)], began=began)
        elif kind == "empty":
            table.apply_list([], began=began)
        elif kind == "get":
            table.apply_get(target(target_id, status, name=name), began=began)
        elif kind == "absent":
            table.apply_absent(target_id, began=began)
        elif kind == "delete":
            table.apply_deleted(target_id, TargetStatus.DELETING, began=began, ended=now)
            written[target_id] = now
        else:
            table.apply_write(target(target_id, "UPDATING", name=name), began=began, ended=now)
            written[target_id] = now
        for row in table.rows():
            each = row.summary.target_id
            assert row in table.named(row.summary.name)
            if kind in {"list", "empty", "get"}:
                assert row.read_began >= before.get(each, row.read_began)
            if is_ready(table, each) and each in written:
                assert row.read_began > written[each]
        assert sum(len(table.named(f"n{number}")) for number in range(3)) == len(table)
