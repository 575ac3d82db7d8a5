"""What is reported of an installer as its apps and their configs come, change and cannot be had.

From the platform's documents to the lines of a message: each poll is an installer without configs,
as the platform sends it, and what its apps answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.compose import render
from monitor.decide.bygone import MOST_KEPT
from monitor.kinds import installer
from monitor.kinds.wire import Document, Memo
from monitor.model import Event, EventKind, ReasonKind
from tests.support.block_kit import drawn
from tests.support.builders import Reader, after, fixed
from tests.support.rendering import view
from tests.unit.test_installer import ID, Row, app_row, installer_row

WEEKS_AGO = "2025-11-07T12:00:00Z"


def config(version: int, status: str, **fields: Any) -> Row:
    """A config of `checkout`; up to version 3 all are older than the watch."""
    created = WEEKS_AGO if version <= 3 else f"2025-12-01T12:00:{version:02}Z"
    return {
        "id": f"cfg{version}",
        "version": version,
        "status": status,
        "created_at": created.replace("07", f"{version:02}"),
        **fields,
    }


def app(identifier: str = "app1", name: str = "checkout") -> Row:
    return app_row(identifier=identifier, name=name) | {"app_configs": None}


@dataclass
class Story:
    """Polls an installer, and keeps what was said in each poll."""

    reader: Reader = field(default_factory=Reader)
    polls: int = 0
    document: Row = field(default_factory=lambda: installer_row(app()))

    def poll(self, *configs: Row, is_answered: bool = True) -> list[str]:
        """Return the lines about a poll in which the app has these configs, the newest first."""
        return self.lines(self.events(*configs, is_answered=is_answered))

    def events(self, *configs: Row, is_answered: bool = True) -> tuple[Event, ...]:
        own = json.dumps(app_row(*configs)).encode()
        beside = {"/v1/apps/app1": Document(own) if is_answered else None}
        return self.look(beside)

    def look(self, beside: dict[str, Document | None]) -> tuple[Event, ...]:
        root = installer.decode(json.dumps(self.document).encode(), ID, Memo(), beside)
        self.polls += 1
        # All configs of these tests are made within a minute.
        return self.reader.poll(root, after(self.polls if self.polls > 1 else 0))

    def lines(self, events: tuple[Event, ...]) -> list[str]:
        seen = self.reader.seen
        assert seen is not None
        told = [event for event in events if event.kind is not EventKind.STARTED]
        if not told:
            return []
        message = drawn(render.reply(view(seen.root, self.reader.state), told))
        news, *_ = message.split("\n---\n")
        return news.replace("\n> ", ": ").replace(" · Acme", "").replace(LINK, "").split("\n")


LINK = "  [Open checkout]"


V1, V2 = config(1, "outdated"), config(2, "active")


@pytest.mark.parametrize(
    ("polls", "told"),
    [
        pytest.param(
            [
                [config(4, "error", status_description="no such image"), V2, V1],
                [config(5, "active"), config(4, "error"), V2],
            ],
            [
                ["❌ version 4 of checkout failed: no such image"],
                ["✅ version 5 of checkout is active; version 4 had failed"],
            ],
            id="another version makes it good",
        ),
        pytest.param(
            [
                [config(4, "error"), V2, V1],
                [config(5, "syncing"), config(4, "error"), V2],
                [config(5, "active"), config(4, "error"), V2],
                [config(6, "active"), config(5, "outdated"), config(4, "error")],
            ],
            [
                ["❌ version 4 of checkout failed"],
                ["🔵 version 5 of checkout is syncing"],
                ["✅ version 5 of checkout is active; version 4 had failed"],
                ["✅ version 6 of checkout is active"],
            ],
            id="another version, step by step",
        ),
        pytest.param(
            [
                [config(4, "error"), V2, V1],
                [config(4, "syncing"), V2, V1],
                [config(4, "active"), V2, V1],
            ],
            [
                ["❌ version 4 of checkout failed"],
                [],
                ["✅ version 4 of checkout succeeded after failing"],
            ],
            id="the version itself recovers",
        ),
        pytest.param(
            [
                [config(4, "error"), V2, V1],
                [config(5, "error"), config(4, "error"), V2],
                [config(5, "active"), config(4, "error"), V2],
            ],
            [
                ["❌ version 4 of checkout failed"],
                ["❌ version 5 of checkout failed"],
                ["✅ version 5 of checkout succeeded after failing"],
            ],
            id="the next version fails as well, and then recovers",
        ),
        pytest.param(
            [
                [config(4, "error"), V2, V1],
                [config(5, "error"), config(4, "error"), V2],
                [config(6, "active"), config(5, "error"), config(4, "error")],
            ],
            [
                ["❌ version 4 of checkout failed"],
                ["❌ version 5 of checkout failed"],
                ["✅ version 6 of checkout is active; version 5 had failed"],
            ],
            id="the last that failed is named",
        ),
        pytest.param(
            [
                [config(5, "active"), config(4, "syncing")],
                [config(5, "active"), config(4, "error")],
            ],
            [["✅ version 5 of checkout is active"], []],
            id="an earlier version fails when a later one is active",
        ),
        pytest.param(
            [
                [config(5, "error"), config(4, "active"), config(3, "outdated")],
                [config(5, "error"), config(4, "active"), V2],
                [config(5, "error"), V2, config(1, "error")],
            ],
            [["❌ version 5 of checkout failed"], [], []],
            id="earlier versions that come into view again",
        ),
    ],
)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "restarted"])
def test_the_news_of_a_config_is_about_that_version(
    polls: list[list[Row]], told: list[list[str]], restarts: bool
) -> None:
    story = Story()
    story.poll(V2)

    for configs, expected in zip(polls, told, strict=True):
        if restarts:
            story.reader.restart()
        said = story.poll(*configs)
        assert [line.removesuffix(", the platform gives no reason") for line in said] == expected


def test_who_was_not_notified_of_the_failure_hears_of_the_version_that_made_it_good() -> None:
    story = Story()
    story.poll(V2)
    story.poll(config(4, "error"), V2)

    events = story.events(config(5, "active"), config(4, "error"))

    assert [(event.kind, event.reason.kind) for event in events] == [
        (EventKind.RECOVERED, ReasonKind.SUCCEEDED_INSTEAD),
        (EventKind.PROGRESSED, ReasonKind.NEW_STATUS),
    ]
    assert story.lines(events[1:]) == ["✅ version 5 of checkout is active"]


def test_a_version_is_told_with_its_commit_and_branch() -> None:
    sha = "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e"
    source = {"vcs_connection_commit": {"sha": sha}, "app_branch": {"id": "abr1", "name": "main"}}
    story = Story()
    story.poll(V2)

    failed = story.poll(config(4, "error", status_description="no such image", **source), V2)
    healed = story.poll(config(5, "active", **source), config(4, "error", **source))

    assert failed == ["❌ version 4 of checkout failed · commit 3f2a9c1 on main: no such image"]
    assert healed == [
        "✅ version 5 of checkout is active; version 4 had failed · commit 3f2a9c1 on main"
    ]


# What cannot be had for a while


def test_configs_that_could_not_be_had_at_first_are_no_news_when_they_can_but_a_failure_is() -> (
    None
):
    well, broken = Story(), Story()
    well.poll(is_answered=False)
    broken.poll(is_answered=False)

    assert well.poll(config(3, "active"), V2, V1) == []
    assert broken.poll(config(3, "error", status_description="no such image"), V2, V1) == [
        "❌ version 3 of checkout failed: no such image"
    ]


def test_a_version_that_came_while_nothing_could_be_had_is_told() -> None:
    story = Story()
    story.poll(is_answered=False)

    assert story.poll(config(4, "active"), V2) == ["✅ version 4 of checkout is active"]


def test_the_configs_of_an_app_that_was_added_are_no_news_beside_it() -> None:
    story = Story(document=installer_row())
    story.look({})
    story.document = installer_row(app())

    assert story.poll(config(3, "active"), V2) == ["✅ checkout was added"]


SYNCS = st.lists(
    st.sampled_from(["pending", "syncing", "active", "error"]), min_size=1, max_size=12
)


@fixed(150)
@given(
    SYNCS,
    st.lists(st.sampled_from(["answered", "missing", "restarted"]), min_size=12, max_size=12),
)
def test_what_cannot_be_had_for_a_while_adds_and_repeats_no_news(
    statuses: list[str], answers: list[str]
) -> None:
    """Polls without the app's document say nothing, and those after it what they would have."""
    steady, shaky = Story(), Story()
    steady.poll(V2)
    shaky.poll(V2)
    version, current = 4, config(4, "pending")
    for status, answer in zip(statuses, answers, strict=False):
        if current["status"] in ("active", "error"):
            version += 1
        before, current = current, config(version, status)
        configs = [current, before] if before["id"] != current["id"] else [current, V2]
        if answer == "missing":
            assert shaky.poll(is_answered=False) == []
            assert shaky.poll(is_answered=False) == []
        if answer == "restarted":
            shaky.reader.restart()
        assert shaky.poll(*configs) == steady.poll(*configs)
        assert shaky.poll(*configs) == []


def test_a_year_of_syncs_is_told_version_by_version_and_leaves_no_more_than_the_last_of_them() -> (
    None
):
    story, made = Story(), []
    for number in range(400):
        created = f"2025-12-01T12:{1 + number // 60:02}:{number % 60:02}Z"
        made.insert(0, config(number, "active") | {"created_at": created})
        told = story.poll(*made[:3])
        assert told == ([f"✅ version {number} of checkout is active"] if number else [])

    assert story.reader.seen is not None
    (checkout,) = story.reader.seen.root.children
    assert [unit.name for unit in checkout.children] == [
        f"version {number}" for number in range(400 - len(checkout.children), 400)
    ]
    assert len(checkout.children) == MOST_KEPT
    # The newest two are deleted, and one comes into view that is not remembered.
    assert story.poll(*made[300:303]) == []


# Which apps, and what the installer says of itself


def test_an_app_that_came_went_and_came_back_is_told_each_time() -> None:
    two, one = installer_row(app(), app("app2", "billing")), installer_row(app())
    story = Story()
    said = []

    for document in (one, two, one, one, one, one, two, two, two, two):
        story.document = document
        said.append(story.poll(V2))

    assert said == [
        *([], ["✅ billing was added"]),
        *([], [], ["⊘ billing was removed"], []),  # three answers have to agree
        *([], [], ["✅ billing was added again"], []),
    ]


@pytest.mark.parametrize(
    ("before", "later", "told"),
    [
        ({}, {"demo_url": "https://d"}, ["has a demo url"]),
        ({"demo_url": "https://d"}, {"demo_url": "https://e"}, ["has another demo url: https://e"]),
        ({"demo_url": "https://d"}, {}, []),
        ({"updated_at": "1"}, {"updated_at": "2"}, []),
        ({"footer_markdown": "x" * 500}, {"footer_markdown": "x" * 499 + "y"}, ["footer markdown"]),
    ],
    ids=["added", "changed", "left out", "touched", "changed far behind"],
)
def test_changed_metadata_is_told(before: Row, later: Row, told: list[str]) -> None:
    story = Story(document=installer_row(app(), metadata={"name": "Acme", **before}))
    story.poll(V2)
    story.document = installer_row(app(), metadata={"name": "Acme", **later})

    said = story.poll(V2)

    assert len(said) == len(told)
    assert all(part in line for part, line in zip(told, said, strict=True))
