"""The demo: what it says of the platform, how much of a terminal it takes, that it is right."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from monitor.cli.support import demo_run, demo_screen, demo_world
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import Rollout, timeline
from monitor.simulation.slack import Posted, SimulatedSlack
from tests.support.clock import clock_at


def a_terminal(*, height: int) -> Console:
    return Console(file=io.StringIO(), width=80, height=height, force_terminal=True)


def a_world(folder: Path) -> demo_world.World:
    """Return a world in which a release and a run have begun and nothing was told yet."""
    platform = SimulatedPlatform(clock_at(datetime.now(UTC)))
    slack = SimulatedSlack((demo_world.CHANNEL,))
    cast = platform.rollout(platform.add("already-done")).cast
    world = demo_world.World(platform, slack, folder, 1.0, cast)
    world.add_release("demo", seed=1, begins_in=0)
    world.add_run(seed=1)
    return world


def post_card(world: demo_world.World, rollout: Rollout, *lines: str, attempt: int = 1) -> None:
    """Post a card as the monitor does, with the key that names what it is about."""
    ts = f"{1_772_712_000 + len(world.channel.posts)}.000000"
    key = f"{rollout.kind}/{rollout.id}/{attempt}/card/#releases"
    text = "\n".join(lines)
    world.channel.by_ts[ts] = Posted(
        ts=ts,
        channel_id=world.channel.id,
        author="bot",
        text=text,
        blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
        metadata={"event_payload": {"key": key}},
    )


def frame_of(world: demo_world.World, *, height: int) -> list[str]:
    """Return what stands below, line by line, on a terminal of so many."""
    console = a_terminal(height=height)
    drawn = console.render_lines(demo_screen.Terminal(world, console).frame())
    return ["".join(segment.text for segment in line).rstrip() for line in drawn]


def test_what_goes_on_off_stage_is_said_in_order() -> None:
    release = timeline(demo_world.STORIES["demo"], 1)
    run = timeline(demo_world.BRANCH_STORY, 1, dialect="run")

    assert [said for _, said in demo_world.asides(release)] == [
        "a release of checkout-api to 48 installs begins; nobody names it to the monitor",
        "nakatomi-apac asks for a person's approval",
        "initech-us fails",
        "somebody approves what nakatomi-apac asked for",
        "somebody tries the release again",
    ]
    assert [said for _, said in demo_world.asides(run)] == [
        "a commit to the branch main of storefront sets off a run: 12 installs in 3 groups",
        "umbrella-us fails; why, only its own workflow says",
    ]


def test_what_hangs_is_explained() -> None:
    (*_, (_, said)) = demo_world.asides(timeline(demo_world.STORIES["hang"], 1))

    assert said.endswith(" ends as 'cancelled'; its step waits on for ever")


def test_two_cards_share_a_large_terminal(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    release, run = world.rollouts
    post_card(world, release, "the first", *["of the release"] * 9)
    post_card(world, run, "the second", *["of the run"] * 9)

    frame = frame_of(world, height=48)

    assert (frame.count("of the release"), frame.count("of the run")) == (9, 9)


def test_on_a_small_terminal_the_older_card_is_one_line_and_leaves_room(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    release, run = world.rollouts
    post_card(world, release, "the first", *["of the release"] * 9)
    post_card(world, run, "the second", *["of the run"] * 9)

    frame = frame_of(world, height=24)

    assert frame[0] == "the release: the first"
    assert (frame.count("of the release"), frame.count("of the run")) == (0, 9)
    assert len(frame) < 16


def test_another_attempt_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    release, _ = world.rollouts
    post_card(world, release, "the first attempt")
    post_card(world, release, "the second attempt", attempt=2)

    frame = frame_of(world, height=48)

    assert "the second attempt" in frame
    assert "the first attempt" not in frame


async def test_a_release_that_nobody_named_and_a_run_are_told_in_the_demo() -> None:
    console = Console(file=io.StringIO(), width=100)

    is_right = await demo_run.play("failure", seed=1, console=console, lasts=30)

    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert is_right, shown
    assert "the card of the release in the end" in shown
    assert "umbrella-us failed" in shown
    assert "InstanceQuotaExceeded" in shown
