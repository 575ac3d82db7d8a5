"""Things are called by their names, whoever asks for these first and whatever it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.model import Called, Commit
from monitor.platform import lookups as names_module
from monitor.platform.lookups import Names
from monitor.simulation.slack import plain_text
from monitor.store import Name, Store, StoreThread
from tests.support.clock import NOON
from tests.support.processes import until
from tests.support.small_platform import NEVER, REMOVED, SmallPlatform
from tests.support.world import a_world

INSTALL, COMPONENT, APP = "inl1", "cmp1", "app1"
BUILD, ACCOUNT, BRANCH = "bld1", "acc1", "abr1"


@dataclass
class Asker:
    """A platform, a store, and names that are looked up there by a clock that stands still."""

    platform: SmallPlatform
    folder: Path
    now: datetime = NOON

    @asynccontextmanager
    async def names(self) -> AsyncIterator[Names]:
        """Look names up, from the start of the monitor to its end."""
        store = StoreThread(Store.open(f"sqlite:///{self.folder}/monitor.db", now=NOON))
        try:
            async with self.platform.client() as client:
                yield Names(client, store, lambda: self.now)
        finally:
            await store.aclose()

    async def called(self, *ids: str) -> Called:
        async with self.names() as names:
            return await names.called(ids)


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    async with SmallPlatform() as platform:
        yield Asker(platform, tmp_path)


def accounts(count: int) -> list[dict[str, Any]]:
    return [{"id": f"acc{n}", "email": f"person{n}@example.com"} for n in range(count)]


async def test_two_releases_that_fail_at_the_same_install_at_once_both_name_it(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        releases = [world.platform.add("already-failed", seed=seed) for seed in range(8)]
        async with world.monitor(*releases) as app:
            await world.look(app)

        cards = [plain_text(world.cards(release_id)[0]) for release_id in releases]
        assert [card for card in cards if "✗ inl" in card] == []


# What is found out


async def test_an_install_a_component_and_an_app_are_called_by_their_names(asker: Asker) -> None:
    asker.platform.answers = {
        "/v1/installs/inl1": {"id": INSTALL, "name": "acme-prod", "app_id": APP},
        "/v1/components/cmp1": {"id": COMPONENT, "name": "checkout-api", "app_id": APP},
        "/v1/apps/app1": {"id": APP, "name": "shop", "display_name": "Shop"},
    }

    called = await asker.called(INSTALL, COMPONENT, APP)

    assert called.names == {INSTALL: "acme-prod", COMPONENT: "checkout-api", APP: "Shop"}
    assert called.apps == {INSTALL: APP, COMPONENT: APP}


async def test_the_app_of_a_component_is_named_without_being_asked_for(asker: Asker) -> None:
    asker.platform.answers = {
        "/v1/components/cmp1": {"name": "checkout-api", "app_id": APP},
        "/v1/apps/app1": {"name": "shop"},
    }

    called = await asker.called(COMPONENT)

    assert called.names == {COMPONENT: "checkout-api", APP: "shop"}


async def test_a_build_is_called_by_its_commit_and_the_first_line_of_its_message(
    asker: Asker,
) -> None:
    commit = {"sha": "4f2a9c1", "message": "Pay twice as fast\n\nAnd more.", "author_name": "Anna"}
    asker.platform.answers = {"/v1/components/builds/bld1": {"vcs_connection_commit": commit}}

    called = await asker.called(BUILD)

    assert called == Called(commits={BUILD: Commit("4f2a9c1", "Pay twice as fast", "Anna")})


async def test_a_build_without_a_commit_is_called_by_what_it_was_built_from(asker: Asker) -> None:
    build = {"git_ref": "v1.42.0", "vcs_connection_commit": None}
    asker.platform.answers = {"/v1/components/builds/bld1": build}

    called = await asker.called(BUILD)

    assert called.commits == {BUILD: Commit("v1.42.0", "", "")}


async def test_a_person_is_called_by_their_e_mail_on_whatever_page_it_stands(asker: Asker) -> None:
    asker.platform.answers = {"/v1/orgs/current/accounts": accounts(120)}

    called = await asker.called("acc3", "acc119")

    assert called == Called(
        people={"acc3": "person3@example.com", "acc119": "person119@example.com"}
    )


async def test_a_branch_is_found_by_its_id_alone_and_by_that_of_its_app(asker: Asker) -> None:
    branch = {"id": BRANCH, "name": "main", "app_id": APP}
    asker.platform.answers = {
        "/v1/branches": [branch],
        "/v1/apps/app1/branches/abr2": {"id": "abr2", "name": "next", "app_id": APP},
    }

    called = await asker.called(BRANCH, "app1/abr2")

    assert called.names == {BRANCH: "main", "app1/abr2": "next"}
    assert called.apps == {BRANCH: APP, "app1/abr2": APP}


async def test_many_installs_are_asked_for_by_their_list(asker: Asker) -> None:
    ids = [f"inl{number}" for number in range(40)]
    asker.platform.answers["/v1/installs"] = [{"id": i, "name": f"customer {i}"} for i in ids]

    called = await asker.called(*ids)

    assert called.names == {i: f"customer {i}" for i in ids}
    assert len(asker.platform.asked) == 1


async def test_no_poll_asks_for_more_than_a_handful_the_most_needed_first(asker: Asker) -> None:
    ids = [f"inl{number}" for number in range(40)]
    asker.platform.answers = {f"/v1/installs/{i}": {"name": f"customer {i}"} for i in ids}

    async with asker.names() as names:
        at_first = await names.called(ids)
        asked_at_first = len(asker.platform.asked)
        later = await names.called(ids)

    assert list(at_first.names) == ids[: len(at_first.names)]
    assert 0 < len(at_first.names) < len(later.names) < len(ids)
    assert asked_at_first <= 10


# What was found out is kept


async def test_what_is_known_is_not_asked_for_again_after_a_restart(asker: Asker) -> None:
    commit = {"sha": "4f2a9c1", "message": "Pay", "author_name": "Anna"}
    asker.platform.answers = {
        "/v1/components/cmp1": {"name": "checkout-api", "app_id": APP},
        "/v1/apps/app1": {"name": "shop"},
        "/v1/components/builds/bld1": {"vcs_connection_commit": commit},
        "/v1/orgs/current/accounts": accounts(2),
    }
    before = await asker.called(COMPONENT, BUILD, ACCOUNT)
    asker.platform.answers.clear()
    asker.platform.asked.clear()

    after = await asker.called(COMPONENT, BUILD, ACCOUNT)

    assert after == before
    assert all((before.names, before.apps, before.commits, before.people))
    assert asker.platform.asked == []


async def test_a_name_that_an_earlier_version_kept_serves_until_its_app_is_known(
    asker: Asker,
) -> None:
    with Store.open(f"sqlite:///{asker.folder}/monitor.db", now=NOON) as store:
        store.names.save({COMPONENT: Name("checkout-api", app_id=None)}, NOON)
    without = await asker.called(COMPONENT)
    asker.platform.answers = {
        "/v1/components/cmp1": {"name": "checkout-api", "app_id": APP},
        "/v1/apps/app1": {"name": "shop"},
    }

    called = await asker.called(COMPONENT)

    assert without == Called(names={COMPONENT: "checkout-api"})
    assert called.apps == {COMPONENT: APP}


# What cannot be found out


async def test_what_the_platform_does_not_say_is_left_out_and_not_asked_for_again(
    asker: Asker,
) -> None:
    asker.platform.answers = {"/v1/installs/inl1": REMOVED, "/v1/components/cmp1": {"name": None}}
    ids = (INSTALL, COMPONENT, BUILD, ACCOUNT, BRANCH, "job1", "")

    async with asker.names() as names:
        called = await names.called(ids)
        asked = len(asker.platform.asked)
        asker.now += timedelta(minutes=9)
        again = await names.called(ids)

    assert called == again == Called()
    assert asked == len(asker.platform.asked) == 5


async def test_a_name_is_asked_for_again_once_the_platform_may_have_recovered(
    asker: Asker,
) -> None:
    asker.platform.answers = {"/v1/installs/inl1": {"name": 5}}

    async with asker.names() as names:
        before = await names.called([INSTALL])
        asker.platform.answers = {"/v1/installs/inl1": {"name": "acme-prod"}}
        asker.now += timedelta(minutes=10)
        after = await names.called([INSTALL])

    assert before == Called()
    assert after.names == {INSTALL: "acme-prod"}


async def test_a_route_that_is_missing_is_not_tried_before_the_next_day(asker: Asker) -> None:
    async with asker.names() as names:
        await names.called([ACCOUNT])
        asker.now += timedelta(hours=23)
        await names.called([ACCOUNT])
        tried = len(asker.platform.asked)
        asker.now += timedelta(hours=1)
        asker.platform.answers["/v1/orgs/current/accounts"] = accounts(2)
        called = await names.called([ACCOUNT])

    assert tried == 1
    assert called.people == {ACCOUNT: "person1@example.com"}


async def test_a_clock_that_was_set_back_does_not_keep_a_name_from_being_asked_for(
    asker: Asker,
) -> None:
    async with asker.names() as names:
        await names.called([INSTALL])
        asker.now -= timedelta(days=30)
        asker.platform.answers["/v1/installs/inl1"] = {"name": "acme-prod"}
        called = await names.called([INSTALL])

    assert called.names == {INSTALL: "acme-prod"}


async def test_a_name_that_does_not_come_does_not_hold_up_the_others(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.platform.answers = {
        "/v1/installs/inl1": NEVER,
        "/v1/installs/inl2": {"name": "globex"},
    }
    loop = asyncio.get_running_loop()
    time = loop.time

    async with asker.names() as names:
        asking = asyncio.create_task(names.called([INSTALL, "inl2"]))
        await until(lambda: "inl2" in names._known)
        monkeypatch.setattr(loop, "time", lambda: time() + names_module._PATIENCE_SECONDS)
        called = await asking

    assert called.names == {"inl2": "globex"}


async def test_what_another_poll_is_asking_for_is_asked_for_once(asker: Asker) -> None:
    asker.platform.answers = {"/v1/installs/inl1": {"name": "acme-prod"}}

    async with asker.names() as names:
        both = await asyncio.gather(names.called([INSTALL]), names.called([INSTALL]))

    assert [called.names for called in both] == [{INSTALL: "acme-prod"}] * 2
    assert len(asker.platform.asked) == 1


async def test_an_id_of_any_characters_asks_for_nothing_else(asker: Asker) -> None:
    await asker.called("inl../apps/app1", "inl?x", "inl 1")

    assert asker.platform.asked == [
        "/v1/installs/inl..%2Fapps%2Fapp1",
        "/v1/installs/inl%3Fx",
        "/v1/installs/inl%201",
    ]


async def test_a_name_of_any_length_is_kept_short(asker: Asker) -> None:
    asker.platform.answers = {"/v1/installs/inl1": {"name": "acme" * 1_000_000}}

    called = await asker.called(INSTALL)

    assert len(called.names[INSTALL]) == 200
