"""What the platform does not serve, and what has to be looked for: neither is its outage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.one_watch import (
    BRANCH,
    Scene,
    a_scene,
    every_key,
    problems,
)
from tests.support.small_platform import REMOVED, Refusal


@pytest.fixture
async def scene(tmp_path: Path, key: str) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, key) as scene:
        yield scene


OFF = {
    "today": Refusal(400, "feature not enabled: app-branches", "This needs 'app-branches'"),
    "older": Refusal(500, "app branches feature not enabled for this organization"),
}


@pytest.mark.parametrize("key", ["app_branch"])
@pytest.mark.parametrize("refusal", OFF.values(), ids=OFF)
async def test_a_feature_that_is_off_is_no_outage_of_the_platform(
    scene: Scene, refusal: Refusal
) -> None:
    scene.platform.answers |= {BRANCH: refusal, f"{BRANCH}/runs": refusal}
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        assert list(problems(app)) == ["watches"]
    (said,) = scene.posted
    assert said.startswith("⚠️ app_branch app1/abr1 can't be polled\n")
    assert "does not serve it to your organisation" in said
    assert "Watch release=" in said


@every_key
async def test_a_route_that_the_platform_lacks_is_no_outage_of_the_platform(scene: Scene) -> None:
    scene.platform.headers = {"X-Nuon-API-Version": "5f1c0de"}
    scene.platform.answers = {"/v1/workflows/pending-approvals": []}
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        assert list(problems(app)) == ["watches"]
    (said,) = scene.posted
    assert said.startswith(f"⚠️ {scene.key} {scene.watched.id} can't be polled\n")
    assert "does not serve such a path" in said


LOOKED_FOR = {
    "no app has it": (REMOVED, "❓ app_branch abr1 was not found on Nuon\n"),
    "one app is forbidden": (
        Refusal(403, "forbidden"),
        "⚠️ Monitoring is blind: can't reach the Nuon API\n",
    ),
    "one app does not answer": (
        Refusal(500, "timeout"),
        "⚠️ Monitoring is blind: can't reach the Nuon API\n",
    ),
    "a feature is off": (OFF["today"], "⚠️ app_branch abr1 can't be polled\n"),
}


@pytest.mark.parametrize("key", ["app_branch"])
@pytest.mark.parametrize(("answer", "expected"), LOOKED_FOR.values(), ids=LOOKED_FOR)
async def test_a_branch_is_missing_only_where_every_app_says_so(
    scene: Scene, answer: object, expected: str
) -> None:
    scene.platform.answers |= {"/v1/apps": [{"id": "app0"}, {"id": "app1"}], BRANCH: answer}
    async with scene.monitor("abr1") as app:
        await scene.look(app)
        (said,) = scene.posted
        assert said.startswith(expected)

        scene.platform.answers[BRANCH] = {"id": "abr1", "name": "main"}
        await scene.look(app, every=600)

        assert problems(app) == {}
