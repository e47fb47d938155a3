"""Tables keep within the terminal's width, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_operator.cli.fleet.tables import fit
from mcp_gateway_operator_demo import tables

VIEW = """\
NAME            ENDPOINT                                STATUS                READY   AGE   GATEWAY ID
aws-knowledge   https://knowledge-mcp.global.api.aws    READY                 True    15s   tools-abcdefghij
github          https://api.githubcopilot.com/mcp/      CREATE_PENDING_AUTH           15s   tools-abcdefghij
"""


def test_a_table_of_kubectls_is_read_by_its_titles() -> None:
    assert tables.parse(VIEW) == [
        ["NAME", "ENDPOINT", "STATUS", "READY", "AGE", "GATEWAY ID"],
        ["aws-knowledge", "https://knowledge-mcp.global.api.aws", "READY", "True", "15s", "tools-abcdefghij"],
        [
            "github",
            "https://api.githubcopilot.com/mcp/",
            "CREATE_PENDING_AUTH",
            "",
            "15s",
            "tools-abcdefghij",
        ],
    ]
    assert tables.parse("") == []


def test_a_wide_terminal_shows_everything() -> None:
    lines = fit(tables.parse(VIEW), 200, flexible=[1])
    assert "https://knowledge-mcp.global.api.aws   READY" in lines[1]
    assert lines[0].endswith("GATEWAY ID")


def test_a_narrow_terminal_shortens_the_endpoint_and_keeps_what_matters() -> None:
    lines = fit(tables.parse(VIEW), 76, flexible=[1])
    assert lines[0].split() == ["NAME", "ENDPOINT", "STATUS", "READY", "AGE"]
    assert "https://knowledge-mcp.g…" in lines[1]
    assert lines[1].endswith("True    15s")


def test_columns_give_way_in_the_order_given() -> None:
    rows = [["a", "b" * 40, "c" * 40]]
    (line,) = fit(rows, 70, flexible=[2, 1])
    assert "b" * 40 in line
    assert len(line) == 70
    (line,) = fit(rows, 50, flexible=[2, 1])
    assert line.endswith("c" * 15 + "…")


def test_a_very_narrow_terminal_leaves_columns_out() -> None:
    lines = fit(tables.parse(VIEW), 40, flexible=[1])
    assert lines[0].split() == ["NAME", "ENDPOINT"]


@given(
    rows=st.integers(1, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.text("abc", max_size=30), min_size=columns, max_size=columns), max_size=4
        )
    ),
    width=st.integers(1, 80),
    flexible=st.lists(st.integers(0, 4), max_size=2, unique=True),
)
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int, flexible: list[int]) -> None:
    columns = [column for column in flexible if rows and column < len(rows[0])]
    lines = fit(rows, width, flexible=columns)
    assert len(lines) == len(rows)
    assert all(len(line) <= width for line in lines)


def test_what_nobody_sees_is_written_out() -> None:
    (line,) = fit([["a\nb", "\x1b[31mred\u202e"]], 80, flexible=[])
    assert line == "a\\nb   \\u001b[31mred\\u202e"
