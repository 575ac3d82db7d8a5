"""Watches whose ids lead to nothing on the platform, for every key of `[[watch]]`.

A list answers 200 and `[]` for any id: only the record says whether there is such a thing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.cli.support.online_checks import ask
from monitor.config import WATCH_KINDS
from monitor.kinds.profile import WatchedBy
from monitor.watch import records
from tests.support.one_watch import (
    NAMES,
    WATCHED,
    Scene,
    a_scene,
    every_key,
    every_list,
    problems,
)
from tests.support.small_platform import NEVER, REMOVED, Refusal


@pytest.fixture
async def scene(tmp_path: Path, key: str) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, key) as scene:
        yield scene


def test_every_key_that_takes_an_id_is_tried() -> None:
    keys = {key for key, it in WATCH_KINDS.items() if it.watched_by is not WatchedBy.WHOLE_ORG}

    assert set(WATCHED) == keys


@every_key
async def test_what_exists_is_well(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app)

        assert problems(app) == {}
    assert scene.notices == []
    assert scene.outages == []


@every_key
async def test_what_does_not_exist_is_said_once_in_every_place_and_once_when_it_does(
    scene: Scene,
) -> None:
    scene.answer(REMOVED)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        assert len(scene.posted) == 1
        said = scene.posted[0]
        assert said.startswith(f"❓ {scene.key} {scene.watched.id} was not found on Nuon\n")
        assert f"no such {scene.key}: check the id" in said
        assert list(problems(app)) == ["watches"]
        assert f"{scene.key} {scene.watched.id}: no such" in problems(app)["watches"]
        assert scene.outages == ["removed"]
    async with scene.monitor() as app:
        await scene.look(app)
        assert len(scene.posted) == 1

        scene.answer(dict(scene.watched.document))
        await scene.look(app)

        assert problems(app) == {}
    (_, again) = scene.notices
    assert again.startswith("✅ ")
    assert scene.outages == []


@every_key
async def test_what_is_deleted_later_is_noticed_within_the_hour(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app)
        scene.answer(REMOVED)
        await scene.look(app, times=70, every=60)

        (said,) = scene.notices
        assert "is no longer on Nuon" in said
        assert scene.outages == ["removed"]


DOUBTS = {
    "forbidden": Refusal(403, "forbidden"),
    "an error of the platform": Refusal(500, "timeout"),
    "no such route": None,
}
every_doubt = pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)


@every_list
@every_doubt
async def test_a_record_that_cannot_be_asked_for_is_no_outage_of_its_list(
    scene: Scene, doubt: object
) -> None:
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

        assert problems(app) == {}
    assert scene.posted == []
    assert scene.outages == []


@pytest.mark.parametrize("key", [key for key, it in WATCHED.items() if not it.is_list])
@every_doubt
async def test_what_has_no_list_cannot_be_seen_without_its_record(
    scene: Scene, doubt: object
) -> None:
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app, times=12)

    (said,) = scene.posted
    assert said.startswith("⚠️ Monitoring is blind: can't reach the Nuon API\n")


@every_list
@every_doubt
async def test_what_is_missing_stays_so_until_the_record_is_answered(
    scene: Scene, doubt: object
) -> None:
    scene.answer(REMOVED)
    async with scene.monitor() as app:
        await scene.look(app, times=1)
        scene.answer(doubt)
        await scene.look(app)
        scene.answer(REMOVED)
        await scene.look(app)
    scene.answer(doubt)
    async with scene.monitor() as app:
        await scene.look(app)

    assert [text[0] for text in scene.posted] == ["❓"]
    assert scene.outages == ["removed"]


@every_list
async def test_what_exists_is_asked_for_seldom(scene: Scene) -> None:
    async with scene.monitor() as app:
        await scene.look(app, times=180, every=60)

    assert 3 <= scene.times_asked() <= 4


@every_list
async def test_what_cannot_be_asked_for_is_asked_for_less_and_less(scene: Scene) -> None:
    scene.answer(Refusal(403, "forbidden"))
    async with scene.monitor() as app:
        await scene.look(app, times=60, every=60)
        first_hour = scene.times_asked()
        await scene.look(app, times=240, every=60)

    assert 5 <= first_hour <= 7
    assert scene.times_asked() <= 5


@pytest.mark.parametrize("key", ["app"])
async def test_a_record_that_does_not_come_holds_up_no_list(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_PATIENCE_SECONDS", 0.05)
    scene.answer(NEVER)
    async with scene.monitor() as app:
        await scene.look(app)

    assert scene.posted == []
    assert scene.outages == []


@pytest.mark.parametrize("key", ["app"])
async def test_what_is_found_is_followed_though_the_record_is_missing(scene: Scene) -> None:
    scene.answer(REMOVED)
    release = {"id": "rel1", "status": "queued", "build_id": "bld1"}
    scene.platform.answers["/v1/apps/app1/releases"] = [release]
    scene.platform.answers["/v1/releases/rel1"] = release
    async with scene.monitor() as app:
        await scene.look(app)

        assert [one.watch.target.id for one in app.registry.rollout_pollers] == ["rel1"]
    assert "❓ app app1 is no longer on Nuon" in "".join(scene.posted)


@pytest.mark.parametrize("key", ["app"])
async def test_what_a_list_led_to_may_be_deleted_and_all_is_well(scene: Scene) -> None:
    release = {"id": "rel1", "status": "queued", "build_id": "bld1"}
    scene.platform.answers["/v1/apps/app1/releases"] = [release]
    scene.platform.answers["/v1/releases/rel1"] = release
    async with scene.monitor() as app:
        await scene.look(app)
        scene.platform.answers["/v1/releases/rel1"] = REMOVED
        await scene.look(app)

        assert problems(app) == {}
    assert scene.notices[-1].startswith("❓ ")


# Asked before anything is told


async def checked(scene: Scene, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Return whether `check --online` finds all well, and its line about what is watched."""
    is_well = await ask(scene.config)
    (line,) = (one for one in capsys.readouterr().out.splitlines() if one[2:].startswith(scene.key))
    return is_well, line


@every_key
async def test_check_names_what_exists(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    named = {**scene.watched.document, **NAMES.get(scene.key, {"name": "Storefront"})}
    scene.answer(named)

    is_well, line = await checked(scene, capsys)

    assert is_well
    assert re.match(rf"✓ {scene.key} (\w+ )*Storefront \({scene.watched.id}\): ", line)


@every_key
async def test_check_says_what_to_do_about_what_does_not_exist(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.answer(REMOVED)

    is_well, line = await checked(scene, capsys)

    assert not is_well
    assert line.startswith(f"✗ {scene.key} {scene.watched.id}: no such {scene.key}: check the id")


@every_list
@every_doubt
async def test_check_says_of_a_list_alone_that_it_proves_nothing(
    scene: Scene, doubt: object, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.answer(doubt)

    is_well, line = await checked(scene, capsys)

    assert is_well
    assert "nothing in the last 7d; whether there is such a thing at all cannot be told" in line
