"""What ids are called."""

from __future__ import annotations

from monitor.store import (
    Name,
    Store,
)
from tests.support.clock import NOON


def test_names_are_kept_and_renewed(store: Store) -> None:
    store.names.save({"inl1": Name("acme"), "inl2": Name("globex")}, NOON)
    store.names.save({"inl2": Name("initech")}, NOON)

    found = store.names.of(["inl1", "inl2", "inl3"])

    assert found == {"inl1": "acme", "inl2": "initech"}


def test_the_names_of_forty_thousand_installs_are_found(store: Store) -> None:
    names = {f"inl{number}": f"customer {number}" for number in range(40_000)}
    store.names.save({id_: Name(its) for id_, its in names.items()}, NOON)

    assert store.names.of(names) == names
