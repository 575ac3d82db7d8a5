"""The table of all that fails: when there is one, and what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.compose import render
from monitor.model import Entity, EventKind, Message, Phase
from tests.support.block_kit import complaints, drawn, utf16
from tests.support.builders import after, deploy, release, state, step
from tests.support.rendering import HELM, alert, view

QUOTA = "quota exceeded"


def failing(*counts: int, reason: str = HELM) -> Entity:
    """A release with so many failed installs in each of its steps."""
    steps = [
        step(
            number,
            "error",
            *(
                deploy(
                    f"acme-{number}-{index:03}",
                    "error",
                    reason if index % 2 else QUOTA,
                    updated_at=after(index),
                )
                for index in range(count)
            ),
        )
        for number, count in enumerate(counts, start=1)
    ]
    return release("error", *steps)


def table_of(root: Entity, *, is_kept: bool = False, **facts: Any) -> Message | None:
    return render.table(view(root, **facts), is_kept=is_kept)


def rows_of(message: Message) -> list[str]:
    """Return the table's rows, its header first."""
    return drawn(Message("", (data_table(message),))).split("\n")


def data_table(message: Message) -> dict[str, Any]:
    return next(block for block in message.blocks if block["type"] == "data_table")


def test_where_the_card_names_all_that_fails_there_is_no_table() -> None:
    assert table_of(failing(4)) is None
    assert table_of(failing(0)) is None


def test_what_the_card_has_no_room_for_makes_a_table_of_all_by_step_and_name() -> None:
    table = table_of(failing(3, 9))

    assert table is not None
    head, *rows = rows_of(table)
    assert head == "Install | Step | Reason | Since (UTC) | Link"
    assert len(rows) == 12
    assert rows == sorted(rows, key=lambda row: (row.split(" | ")[1], row))
    assert rows[1].split(" | ")[2:4] == [HELM, "2025-12-01 12:01"]
    assert rows[1].endswith("[Open]")
    assert drawn(table).startswith("❌ 12 installs fail · ")
    assert complaints(table) == []


@pytest.mark.parametrize(("count", "length"), [(101, 10), (100, 160), (60, 160), (300, 300)])
def test_a_table_says_of_each_as_much_as_there_is_room_for(count: int, length: int) -> None:
    table = table_of(failing(count, reason="why " * (length // 4)))

    assert table is not None
    assert len(rows_of(table)) == min(count, 100) + 1
    assert complaints(table) == []
    if count > 100:
        assert f"… and {count - 100} more" in drawn(table)
        assert data_table(table)["caption"].startswith(f"100 of {count} installs fail")


def test_where_the_workspace_has_no_tables_the_same_is_said_by_reason_with_every_name() -> None:
    table = table_of(failing(40))

    assert table is not None
    text = drawn(table.without_optional_blocks())
    assert f"20 installs: {HELM}\n" in text
    assert f"20 installs: {QUOTA}\n" in text
    assert complaints(table.without_optional_blocks()) == []
    assert all(row.split(" | ")[0] in text for row in rows_of(table)[1:])


def test_ten_thousand_failures_are_counted_in_either_form() -> None:
    table = table_of(failing(10_000))

    assert table is not None
    assert "… and 9,900 more" in drawn(table)
    text = drawn(table.without_optional_blocks())
    assert "5,000 installs" in text
    assert " more" in text
    assert complaints(table.without_optional_blocks()) == []


def test_a_table_that_is_posted_says_so_once_nothing_fails_any_more() -> None:
    table = table_of(release("active", step(1, "active", deploy("acme"))), is_kept=True)

    assert table is not None
    assert drawn(table).startswith("✅ nothing fails any more · ")
    assert not table.has_optional_blocks


def test_what_is_tried_again_stands_in_the_table_with_when_it_failed() -> None:
    units = [deploy(f"acme{index}", "executing", updated_at=after(50)) for index in range(6)]
    assert units[0].phase is Phase.RUNNING
    root = release("polling_install_deploys", step(1, "polling_install_deploys", *units))
    alerts = tuple(
        alert(f"{root.children[0].id}/{unit.work}", EventKind.FAILED, is_retrying=True)
        for unit in units
    )

    table = render.table(view(root, state(alerts=alerts)), is_kept=False)

    assert table is not None
    assert [row.split(" | ")[3] for row in rows_of(table)[1:]] == ["2025-12-01 12:00"] * 6


def test_the_card_leads_to_the_table_while_something_fails() -> None:
    url = "https://acme.slack.example/archives/C1/p1"

    assert "[See all 9 that failed]" in drawn(render.card(view(failing(9), table_url=url)))
    done = release("active", step(1, "active", deploy("acme")))
    assert "See all" not in drawn(render.card(view(done, table_url=url)))


def test_sizes_are_counted_as_slack_may_count_them() -> None:
    table = table_of(failing(100, reason="🚀" * 200))

    assert table is not None
    assert complaints(table) == []
    assert utf16("🚀") == 2
