"""A newer rollout heals an older one's trouble: in `status`, its JSON and the digest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.simulation.scenarios import FAILS_SOON, SCENARIOS, Scenario
from monitor.simulation.slack import plain_text
from tests.support.world import World, a_world

WELL = replace(SCENARIOS["happy"], steps=(2,))
FAILS = replace(SCENARIOS["happy"], name="failing", steps=(2,), courses={(1, 1): FAILS_SOON})
RETRIED = replace(FAILS, name="retried", retried_after=1500.0)
LATER = 600.0
"""Seconds after which the newer one begins."""
UNTIL = 1500.0
"""By then both have ended, and nothing was retried."""
DAY = '[[digest]]\nevery = "day"\nat = "13:30"\n'


class Case(NamedTuple):
    newer: Scenario
    seconds: float
    """From the beginning of the older one on."""
    older: Scenario = FAILS
    state: str = "in trouble"
    is_healed: bool = False
    is_listed: bool = True


CASES = {
    "the newer one succeeded": Case(WELL, UNTIL, state="ended", is_healed=True, is_listed=False),
    "the newer one failed too": Case(FAILS, UNTIL),
    "the newer one is in flight": Case(WELL, LATER + 20),
    "the older one succeeded by a retry": Case(
        WELL, 2 * UNTIL + LATER, RETRIED, state="ended", is_listed=False
    ),
}


async def both(world: World, case: Case, dialect: str) -> tuple[str, str]:
    """Watch an older and a newer rollout of the same thing for so many seconds."""
    older = world.platform.add(case.older, seed=1, dialect=dialect)
    newer = world.platform.add(case.newer, seed=2, dialect=dialect, starts_in=LATER)
    # Both runs are of one branch, which finds them.
    watched = (older,) if dialect == "run" else (older, newer)
    async with world.monitor(*watched) as app:
        await world.look(app)
        for _ in range(int(case.seconds // 20)):
            await world.look(app, after=20)
    return older, newer


async def rows(world: World) -> dict[str, dict[str, Any]]:
    page = json.loads((await world.command("status", "--json")).out)
    return {one["id"]: one for one in page["watches"]}


@pytest.mark.parametrize("dialect", ["release", "run", "workflow"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_an_older_failure_is_in_trouble_until_a_newer_one_healed_it(
    tmp_path: Path, case: Case, dialect: str
) -> None:
    async with a_world(tmp_path) as world:
        older, newer = await both(world, case, dialect)

        row = (await rows(world))[older]
        assert row["state"] == case.state
        assert row["healed_by"] == ({"kind": dialect, "id": newer} if case.is_healed else None)


@pytest.mark.parametrize("dialect", ["release", "run"])
@pytest.mark.parametrize("case", ["the newer one succeeded", "the newer one failed too"])
async def test_a_digest_lists_as_failing_what_nothing_has_healed(
    tmp_path: Path, case: str, dialect: str
) -> None:
    async with a_world(tmp_path) as world:
        world.more = DAY
        older, _ = await both(world, CASES[case], dialect)
        async with world.monitor(older) as app:
            await world.look(app, after=3 * 3600)

        (digest,) = (plain_text(p) for p in world.channel.posts if p.text.startswith("📋"))
        assert ("Still failing" in digest) is CASES[case].is_listed


async def test_the_table_names_what_healed_it(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        _, newer = await both(world, CASES["the newer one succeeded"], "release")

        shown = (await world.command("status")).out

    assert f"healed by the newer release {newer}" in shown
    assert "IN TROUBLE" not in shown
    assert "failed for" not in shown
