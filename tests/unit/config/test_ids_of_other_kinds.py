"""Ids that say themselves that they are not what a key of `[[watch]]` asks for."""

from __future__ import annotations

from itertools import product

import pytest

from monitor.config import WATCH_KINDS
from monitor.kinds.profile import WatchedBy
from tests.support.config_texts import ACCESS, WATCH, Directory

_REST = "0123456789abcdefghijklm"
KEYS = {
    "release": "rel",
    "app": "app",
    "component": "cmp",
    "installer": "int",
    "workflow": "inw",
    "install": "inl",
    "app_branch": "abr",
}
"""The keys whose values are ids, and how these begin."""
OTHERS = {
    "org": "an org",
    "dpl": "an install deploy",
    "bld": "a build",
    "iws": "a workflow step",
    "job": "a runner job",
    "iar": "an action workflow run",
}
"""How the ids of what cannot be watched begin."""


def id_of(prefix: str) -> str:
    return f"{prefix}{_REST}"


def watch(key: str, value: str) -> str:
    return f'[slack]\nchannel = "#ops"\n[[watch]]\n{key} = "{value}"\n'


def test_every_key_that_takes_an_id_is_tried() -> None:
    keys = {key for key, it in WATCH_KINDS.items() if it.watched_by is not WatchedBy.WHOLE_ORG}

    assert set(KEYS) == keys


@pytest.mark.parametrize(("key", "meant"), [(a, b) for a, b in product(KEYS, KEYS) if a != b])
def test_an_id_that_another_key_is_for_names_that_key(
    directory: Directory, key: str, meant: str
) -> None:
    identifier = id_of(KEYS[meant])

    (problem,) = directory.problems(watch(key, identifier))

    words = meant.replace("_", " ")
    article = "an" if words[0] in "ai" else "a"
    assert problem == (
        f"[[watch]] #1 {key}: {identifier} is {article} {words}'s id;"
        f' did you mean {meant} = "{identifier}"?'
    )


@pytest.mark.parametrize(("key", "other"), list(product(KEYS, OTHERS)))
def test_an_id_of_what_cannot_be_watched_says_which_one_is_expected(
    directory: Directory, key: str, other: str
) -> None:
    (problem,) = directory.problems(watch(key, id_of(other)))

    assert problem.startswith(f"[[watch]] #1 {key}: {id_of(other)} is {OTHERS[other]}'s id; ")
    assert problem.endswith(f", which begins with {KEYS[key]}")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value",
    [id_of("xyz"), "app1", "inl-1", f"INL{_REST}", f"inl{_REST}0"],
    ids=["an unknown prefix", "a short id", "a hyphen", "capitals", "one character more"],
)
def test_what_begins_in_no_known_way_passes(directory: Directory, key: str, value: str) -> None:
    assert getattr(directory.load(watch(key, value)).watch[0], key) == value


@pytest.mark.parametrize("key", KEYS)
def test_an_id_of_the_right_kind_passes(directory: Directory, key: str) -> None:
    assert directory.load(watch(key, id_of(KEYS[key]))).watch[0].target.id == id_of(KEYS[key])


def test_both_ids_of_a_branch_are_looked_at(directory: Directory) -> None:
    right = f"{id_of('app')}/{id_of('abr')}"
    swapped = f"{id_of('abr')}/{id_of('app')}"

    assert directory.load(watch("app_branch", right)).watch[0].target.id == right
    assert directory.problems(watch("app_branch", swapped)) == [
        (
            f"[[watch]] #1 app_branch: {id_of('app')} is an app's id;"
            " expected that of an app branch, which begins with abr"
        ),
        (
            f"[[watch]] #1 app_branch: {id_of('abr')} is an app branch's id;"
            " expected that of an app, which begins with app"
        ),
    ]


def test_the_orgs_id_is_looked_at(directory: Directory) -> None:
    environ = ACCESS | {"NUON_ORG_ID": id_of("app")}

    assert directory.problems(WATCH, environ) == [
        (
            f"NUON_ORG_ID: {id_of('app')} is an app's id;"
            " expected that of your org, which begins with org"
        )
    ]
