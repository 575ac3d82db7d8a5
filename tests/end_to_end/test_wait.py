"""`nuon-monitor wait` as a person and a CI job meet it: what it says, and how it exits."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console

from monitor.cli.support.wait_displays import LineDisplay
from monitor.cli.support.wait_poller import End, Follower, Look
from monitor.cli.wait import wait
from monitor.compose import render
from monitor.config import load_config
from monitor.decide.stalls import StallRules
from monitor.errors import NuonNotFound, NuonRejected
from monitor.model import EventKind, Target
from monitor.service.build import nuon_client
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.platform_faults import Fault, FaultKind
from tests.support.builders import deploy, release, snapshot, state, step
from tests.support.clock import clock_at
from tests.support.processes import Result, clean_environment, command, in_terminal

ROOT = str(Path(__file__).parent.parent.parent)
SOON = timedelta(milliseconds=1)


@dataclass
class Journey:
    """Notes what was shown; lets the platform's time pass between two looks."""

    platform: SimulatedPlatform
    step: float = 30.0
    looks: list[Look] = field(default_factory=list)
    end: End | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def show(self, look: Look, now: datetime) -> None:
        self.looks.append(look)
        self.platform.clock.advance(self.step)

    def show_end(self, end: End, now: datetime) -> None:
        self.end = end

    @property
    def told(self) -> list[EventKind]:
        return [event.kind for look in self.looks for event in look.events]

    @property
    def outages(self) -> list[str]:
        return [look.reachability for look in self.looks if look.reachability]


async def followed(
    journey: Journey,
    target_id: str,
    kind: str = "release",
    *,
    is_kind_sure: bool = True,
    at_most: timedelta | None = None,
    waits_for_approval: bool = True,
) -> int:
    config = load_config(None, environment(journey.platform), only=("nuon", "stall"))
    return await wait(
        config,
        Target(kind, target_id),
        journey,
        is_kind_sure=is_kind_sure,
        at_most=at_most,
        interval=SOON,
        waits_for_approval=waits_for_approval,
    )


def environment(platform: SimulatedPlatform) -> dict[str, str]:
    return {
        "NUON_API_URL": platform.base_url,
        "NUON_API_TOKEN": platform.token,
        "NUON_ORG_ID": platform.org_id,
    }


@asynccontextmanager
async def a_platform() -> AsyncIterator[SimulatedPlatform]:
    """Start a platform whose clock stands still but for a journey's steps."""
    # What the monitor takes for now is the machine's clock: only the platform's is set ahead.
    async with SimulatedPlatform(clock_at(datetime.now(UTC))) as platform:
        yield platform


async def waited(platform: SimulatedPlatform, *arguments: str, folder: Path) -> Result:
    """Run the command as a CI job does, without a configuration file."""
    set_to = clean_environment(**environment(platform))
    return await command("wait", *arguments, folder=folder, environment=set_to)


# How it ends


@pytest.mark.parametrize("kind", ["release", "run", "workflow"])
@pytest.mark.parametrize(
    ("scenario", "code", "words"), [("happy", 0, "succeeded"), ("failure", 1, "failed")]
)
async def test_a_rollout_is_followed_to_its_end(
    kind: str, scenario: str, code: int, words: str
) -> None:
    async with a_platform() as platform:
        journey = Journey(platform, step=120)

        ended = await followed(journey, platform.add(scenario, dialect=kind), kind)

    assert ended == code
    assert journey.end == End(code, words)


async def test_what_can_never_go_on_ends_it_as_stalled() -> None:
    async with a_platform() as platform:
        journey = Journey(platform, step=120)

        code = await followed(journey, platform.add("hang"))

    assert code == 3
    assert journey.end is not None
    assert journey.end.words.startswith("stalled: an install ended as cancelled")


async def test_while_it_waits_for_a_person_it_is_waited_for() -> None:
    async with a_platform() as platform:
        journey = Journey(platform)

        code = await followed(journey, platform.add("approval"))

    assert code == 0
    assert EventKind.WAITING in journey.told


async def test_whoever_does_not_want_to_wait_for_a_person_need_not() -> None:
    async with a_platform() as platform:
        journey = Journey(platform)

        code = await followed(journey, platform.add("approval"), waits_for_approval=False)

    assert (code, journey.end) == (3, End(3, "waits for a person"))


async def test_when_the_time_is_up_it_says_what_it_was_waiting_for() -> None:
    async with a_platform() as platform:
        journey = Journey(platform, step=0)

        code = await followed(journey, platform.add("happy"), at_most=timedelta(milliseconds=500))

    assert (code, journey.end) == (3, End(3, "out of time after 0 s: under way"))


@pytest.mark.parametrize("kind", ["run", "workflow"])
async def test_whether_a_workflow_is_a_run_is_asked_of_the_platform(kind: str) -> None:
    async with a_platform() as platform:
        journey = Journey(platform)
        target_id = platform.add("already-done", dialect=kind)

        assert await followed(journey, target_id, "workflow", is_kind_sure=False) == 0

    view = journey.looks[-1].view
    assert view is not None
    assert view.snapshot.target.kind == kind


# What cannot be seen


async def test_an_outage_is_said_once_and_so_is_its_end() -> None:
    async with a_platform() as platform:
        target = Target("release", platform.add("already-done"))
        journey, clock = Journey(platform), platform.clock
        config = load_config(None, environment(platform), only=("nuon", "stall"))
        async with nuon_client(config) as source:
            follower = Follower(
                source,
                target,
                links=render.Links("", ""),
                stall_rules=StallRules(timedelta(minutes=30), timedelta(hours=4)),
                waits_for_approval=True,
                now=clock.now,
            )
            platform.next_faults.extend([Fault(FaultKind.STATUS, status=503)] * 5)
            for _ in range(8):
                journey.show(await follower.look(), clock.now())

    assert journey.looks[-1].end == End(0, "succeeded")
    assert [re.split(",|:", reachability)[0] for reachability in journey.outages] == [
        "unreachable",
        "reachable again",
    ]


async def test_an_id_that_is_none_is_not_waited_for() -> None:
    async with a_platform() as platform:
        with pytest.raises(NuonNotFound, match="no such release: check the id"):
            await followed(Journey(platform), "relmissing")


async def test_a_token_that_is_refused_is_not_tried_again() -> None:
    async with a_platform() as platform:
        release_id = platform.add("happy")
        config = load_config(None, environment(platform), only=("nuon", "stall"))
        platform.token = "another"
        with pytest.raises(NuonRejected, match=r"check nuon\.api_token"):
            await wait(
                config,
                Target("release", release_id),
                Journey(platform),
                is_kind_sure=True,
                at_most=None,
                interval=SOON,
                waits_for_approval=True,
            )


async def test_what_was_deleted_meanwhile_is_not_waited_for() -> None:
    async with a_platform() as platform:
        with pytest.raises(NuonNotFound):
            await followed(Journey(platform, step=120), platform.add("deleted"))


# As a command


async def test_a_ci_job_needs_no_configuration_and_gets_lines(tmp_path: Path) -> None:
    async with a_platform() as platform:
        ended = await waited(platform, platform.add("already-failed"), folder=tmp_path)

    assert (ended.code, ended.err) == (1, "")
    lines = ended.out.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\dZ  \S", line) for line in lines)
    assert any("helm upgrade timed out" in line for line in lines)
    assert any("https://" in line for line in lines)
    assert lines[-1].endswith("✗ failed (exit code 1)")
    assert list(tmp_path.iterdir()) == []


async def test_of_a_configuration_file_only_the_platform_counts(tmp_path: Path) -> None:
    async with a_platform() as platform:
        release_id = platform.add("already-done")
        (tmp_path / "monitor.toml").write_text(
            f'[nuon]\napi_url = "{platform.base_url}"\norg_id = "{platform.org_id}"\n'
            f'api_token = "{platform.token}"\n[slack]\nbot_tokn = "mistaken"\n'
        )

        ended = await command("wait", release_id, folder=tmp_path)

    found = "nuon-monitor: configuration: ./monitor.toml of the working directory\n"
    assert (ended.code, ended.err) == (0, found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("int0123",), "say --kind"),
        (("rel0123", "--timeout", "soon"), "soon is no duration such as 90s, 30m"),
        (("rel0123",), "nuon.api_token: missing: set it or api_token_file, or NUON_API_TOKEN"),
    ],
)
async def test_a_mistake_says_what_to_type_instead(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    without = clean_environment(NUON_ORG_ID="org1")
    if "rel0123" not in arguments:
        without["NUON_API_TOKEN"] = "a-token"

    refused = await command("wait", *arguments, folder=tmp_path, environment=without)

    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err


async def test_ctrl_c_ends_it_quietly_in_a_terminal(tmp_path: Path) -> None:
    async with a_platform() as platform:
        release_id = platform.add("happy")
        platform.clock.advance(300)
        with in_terminal("wait", release_id, folder=tmp_path, **environment(platform)) as terminal:
            await terminal.until(lambda drawn: b"installs" in drawn)
            terminal.interrupt()
            code = await terminal.end()

    assert code == 130
    assert "🟩" in terminal.written.decode(errors="replace")
    assert b"Traceback" not in terminal.written
    assert terminal.written.rstrip().endswith(b"\x1b[?25h")  # the cursor is shown again


def test_a_log_has_a_line_every_minute_though_nothing_happens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    display = LineDisplay(Console(width=100))

    for seconds in (0, 30, 59, 61, 100, 121):
        display.show(seen(), noon + timedelta(seconds=seconds))

    said = capsys.readouterr().out.splitlines()
    assert said == [
        "12:00:00Z  🔵 checkout-api is running: 1 of 2 installs done",
        "12:01:01Z  🔵 checkout-api is running: 1 of 2 installs done",
        "12:02:01Z  🔵 checkout-api is running: 1 of 2 installs done",
    ]


def seen() -> Look:
    """A look that shows one install of two done."""
    root = release(
        "executing_release_steps",
        step(1, "polling_install_deploys", deploy("inl-a"), deploy("inl-b", "executing")),
    )
    return Look(render.View(snapshot(root), state(), render.Links("https://app.nuon.co", "org1")))
