"""What `check --online` learns of Slack about the messages that it would be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.cli.support.online_checks import ask
from tests.support.world import World, a_live_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_live_world(tmp_path) as world:
        yield world


async def lines_of(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[bool, list[str]]:
    release_id = world.platform.add("happy", seed=1)
    is_well = await ask(world.config(release_id))
    return is_well, capsys.readouterr().out.splitlines()


async def test_a_message_of_each_form_is_tried_and_none_is_posted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    is_well, lines = await lines_of(world, capsys)

    assert (is_well, lines[-1]) == (True, "✓ messages: Slack takes each of 7 forms")
    tried = [one.method for one in world.slack.requests]
    assert tried.count("blocks.validate") == 7
    assert "chat.postMessage" not in tried


async def test_a_block_that_the_workspace_does_not_know_is_said_and_is_no_failure(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.slack.unknown_blocks.add("data_table")

    is_well, lines = await lines_of(world, capsys)

    assert (is_well, lines[-2:]) == (
        True,
        [
            (
                "– the table of what fails: Slack refuses it (/1: unsupported type: data_table):"
                " it gets text instead"
            ),
            "✓ messages: Slack takes each of 7 forms",
        ],
    )


async def test_what_slack_would_refuse_is_said_with_where_and_why(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.slack.unknown_blocks.add("rich_text")

    is_well, lines = await lines_of(world, capsys)

    assert not is_well
    assert any(
        line.startswith("✗ a reply: Slack would refuse it: /0: unsupported type: rich_text")
        for line in lines
    )
    assert not any(line.startswith("✓ messages") for line in lines)


@pytest.mark.parametrize("fault", ["unknown", "429"])
async def test_a_slack_that_does_not_say_is_passed_over_in_silence(
    world: World, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    if fault == "unknown":
        world.slack.unknown_methods.add("blocks.validate")
    else:
        world.slack.fail(fault, "blocks.validate", times=None)

    is_well, lines = await lines_of(world, capsys)

    assert is_well
    assert not any("messages" in line or "refuse" in line for line in lines)


async def test_a_slack_that_breaks_off_is_a_finding(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.slack.fail("reset", "blocks.validate", times=None)

    is_well, lines = await lines_of(world, capsys)

    assert not is_well
    assert lines[-1].startswith("✗ messages: the connection to Slack broke")
