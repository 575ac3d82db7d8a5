"""What lists led to."""

from __future__ import annotations

from monitor.model import Target
from monitor.store import Find, Store
from tests.support.clock import NOON
from tests.support.stores import MINUTE, RELEASE

APP, ORG = Target("releases", "app1"), Target("releases", "org1")
FOUND = Find(RELEASE, APP, is_new=True, is_followed=True)
OLDER = Find(Target("release", "rel2"), ORG, is_new=False, is_followed=True)
FINISHED = Find(RELEASE, APP, is_new=True, is_followed=False)


def test_a_list_is_watched_since_it_was_first_asked_for(store: Store) -> None:
    assert store.finds.listed_since(APP, NOON) == NOON
    assert store.finds.listed_since(APP, NOON + MINUTE) == NOON
    assert store.finds.listed_since(ORG, NOON + MINUTE) == NOON + MINUTE


def test_finds_are_had_by_list_or_all_of_them(store: Store) -> None:
    store.finds.follow([OLDER], NOON)
    store.finds.follow([FOUND], NOON + MINUTE)

    assert store.finds.load() == (OLDER, FOUND)
    assert store.finds.load(APP) == (FOUND,)


def test_a_find_that_has_finished_can_be_followed_again(store: Store) -> None:
    store.finds.follow([FOUND], NOON)

    store.finds.mark_finished(RELEASE)
    finished = store.finds.load()
    store.finds.follow([FOUND], NOON + MINUTE)

    assert finished == (FINISHED,)
    assert store.finds.load() == (FOUND,)


def test_only_what_is_not_followed_is_forgotten(store: Store) -> None:
    store.finds.follow([FOUND, OLDER], NOON)
    store.finds.mark_finished(RELEASE)

    store.finds.forget(NOON)
    kept = store.finds.load()
    store.finds.forget(NOON + MINUTE)

    assert set(kept) == {FINISHED, OLDER}
    assert store.finds.load() == (OLDER,)
