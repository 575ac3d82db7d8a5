"""Releases as real servers answer of them: what is not in the answer is asked for, and reported."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monitor.simulation.answers import Shape
from tests.support.small_platform import NEVER, Refusal, SmallPlatform
from tests.support.world import World, a_world

_POLLS = 300
_LINK = re.compile(r"<https?:[^|>]*\|([^>]*)>")


async def _lines(folder: Path, scenario: str, shape: Shape, *, looks: int = _POLLS) -> list[str]:
    """Return what a release's thread says from beginning to end; restarts after so many looks."""
    folder.mkdir()
    async with a_world(folder, shape=shape) as world:
        target = world.platform.add(scenario, seed=3)
        for _ in range(_POLLS // looks):
            async with world.monitor(target) as app:
                for _ in range(looks):
                    await world.look(app, after=15)
        texts = (reply.text for reply in world.replies(target))
        lines = [line for text in texts for line in _LINK.sub(r"[\1]", text).splitlines()]
        # Only the workflow of a deploy, which is asked for, says what can be done about it.
        return [line for line in lines if not line.startswith("→ It can be")]


@pytest.mark.parametrize("scenario", ["failure", "deep", "hang", "build-failed", "broken-step"])
async def test_a_thin_release_is_reported_as_a_documented_one(
    tmp_path: Path, scenario: str
) -> None:
    thin, documented = [
        await _lines(tmp_path / shape, scenario, shape) for shape in (Shape.THIN, Shape.DOCUMENTED)
    ]

    assert thin == documented


async def test_restarts_report_nothing_of_a_thin_release_twice(tmp_path: Path) -> None:
    once = await _lines(tmp_path / "once", "failure", Shape.THIN)
    often = await _lines(tmp_path / "often", "failure", Shape.THIN, looks=20)

    assert often == once
    assert any("helm upgrade timed out" in line for line in once)


async def test_a_release_that_waits_long_for_its_build_is_not_stalled(tmp_path: Path) -> None:
    async with a_world(tmp_path, shape=Shape.THIN) as world:
        target = world.platform.add("slow-build", seed=3)
        async with world.monitor(target) as app:
            await world.look(app, after=15)
            (card,) = world.cards(target)
            assert "is waiting for its build" in card.text
            for _ in range(_POLLS):
                await world.look(app, after=15)

        assert "is on all 8 installs" in world.cards(target)[-1].text
        assert not [reply.text for reply in world.replies(target) if "stalled" in reply.text]


# A platform whose answers come late, or not at all

RELEASE_ID = "relk2v9q7m3x8c4b6n1z5w0y2a"
DEPLOY = "/v1/installs/inl1/deploys/dpl1"
REASON = "helm upgrade timed out"
EXPLAINED = {
    "id": "dpl1",
    "runner_jobs": [{"id": "job1", "status": "failed", "status_description": REASON}],
    "oci_artifact": {"id": "art1", "tag": "v7"},
}


def _release(updated_at: str = "2025-12-01T12:05:00Z") -> dict[str, Any]:
    deploy = {
        "id": "dpl1",
        "install_id": "inl1",
        "workflow_id": "",
        "status": "error",
        "status_description": "unable to deploy",
        "created_at": "2025-12-01T12:01:00Z",
        "updated_at": updated_at,
    }
    step = {"id": "stp1", "status": "error", "install_deploys": [deploy]}
    return {
        "id": RELEASE_ID,
        "status": "error",
        "status_description": "release step errored",
        "created_at": "2025-12-01T12:00:00Z",
        "build": {"id": "bld1", "status": "active", "component_id": "cmp1"},
        "release_steps": [step],
    }


@pytest.fixture
async def platform() -> AsyncIterator[SmallPlatform]:
    async with SmallPlatform({f"/v1/releases/{RELEASE_ID}": _release()}) as small:
        yield small


@pytest.fixture
async def world(tmp_path: Path, platform: SmallPlatform) -> AsyncIterator[World]:
    async with a_world(tmp_path) as found:
        found.own["nuon"] = f'api_url = "{platform.url}"'
        yield found


_SILENCE = [NEVER, Refusal(500, "timeout"), Refusal(404, "not found"), "no deploy", {"id": "dpl9"}]


@pytest.mark.parametrize("answer", _SILENCE, ids=["late", "500", "404", "text", "another"])
async def test_a_reason_that_comes_later_is_put_on_the_card_without_a_message(
    world: World, platform: SmallPlatform, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    monkeypatch.setattr("monitor.platform.explanations._PATIENCE_SECONDS", 0.2)
    platform.answers[DEPLOY] = answer
    async with world.monitor(RELEASE_ID) as app:
        await world.look(app)
        (card,) = world.cards(RELEASE_ID)
        told = [reply.text for reply in world.replies(RELEASE_ID)]
        assert "unable to deploy" in card.text
        assert len(told) == 1

        platform.answers[DEPLOY] = EXPLAINED
        platform.answers[f"/v1/releases/{RELEASE_ID}"] = _release("2025-12-01T12:06:00Z")
        await world.look(app, after=15)

    (card,) = world.cards(RELEASE_ID)
    shown = str(card.blocks)
    assert REASON in shown
    assert "image v7" in shown
    assert "installs/inl1/components/cmp1/deploys/dpl1/logs" in shown
    assert [reply.text for reply in world.replies(RELEASE_ID)] == told


async def test_a_reason_that_was_seen_stays_where_it_cannot_be_had_after_a_restart(
    world: World, platform: SmallPlatform
) -> None:
    platform.answers[DEPLOY] = EXPLAINED
    async with world.monitor(RELEASE_ID) as app:
        await world.look(app)
    before = [(post.text, post.ts) for post in world.channel.messages]

    for answer in (Refusal(500, "timeout"), Refusal(404, "not found"), EXPLAINED):
        platform.answers[DEPLOY] = answer
        async with world.monitor(RELEASE_ID) as app:
            await world.look(app, after=300)

    assert REASON in before[0][0]
    assert [(post.text, post.ts) for post in world.channel.messages] == before
