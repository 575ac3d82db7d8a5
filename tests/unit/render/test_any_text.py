"""Any tree of any text: every limit is kept, and no foreign markup gets through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.compose import render
from monitor.compose.render import (
    DigestFacts,
    DigestInstall,
    DigestRollout,
    Links,
    SummaryLine,
    View,
)
from monitor.compose.templates import FilledTemplates
from monitor.kinds import every_part
from monitor.kinds.approvals import APPROVALS
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.installer_configs import APP_CONFIG
from monitor.kinds.parts import APPROVAL, DEPLOY, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.release import RELEASE, RELEASE_STEP
from monitor.kinds.run import BRANCH_RUN
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import (
    Alert,
    Commit,
    Entity,
    Event,
    EventKind,
    Kind,
    Level,
    Mention,
    MentionKind,
    Reason,
    ReasonKind,
    Snapshot,
    Target,
    known_statuses,
)
from tests.support.block_kit import complaints
from tests.support.builders import after, fixed, state
from tests.support.clock import NOON
from tests.support.rendering import MENTIONS, PINGS, WATCHED_AS, alert, entity, event_of, view

_NASTY = [
    "<!channel>",
    "<@U123>",
    "<https://evil.example|your bank>",
    "https://evil.example",
    "*bold* _italic_ ~gone~ `code` ```block```",
    ":tada: @here #general",
    "> quote\n• list",
    "\u202egnp.exe\u2066",
    "\u200b",
    "\x1b[31mred",
    "e\u0301" * 400,
    "x" * 1_000_000,
    "<&>" * 300_000,
    "🚀" * 100_000,
    "漢" * 5_000,
    "../..",
]
_texts = st.one_of(
    st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=()), max_size=12)
)
_reasons = st.builds(
    Reason,
    kind=st.sampled_from(ReasonKind),
    description=_texts,
    status=_texts,
    before=_texts,
    fact=_texts,
    value=_texts,
    ends=st.lists(_texts, max_size=3).map(tuple),
)
_times = st.none() | st.integers(1, 2**35).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_statuses = (
    st.sampled_from([word for kind in every_part() for word in known_statuses(kind)]) | _texts
)
_facts: dict[str, Any] = {
    "id": _texts,
    "status": _statuses,
    "description": _texts,
    "name": _texts,
    "created_at": _times,
    "updated_at": _times,
    "install_id": _texts,
    "workflow_id": _texts,
    "component_id": _texts,
    "build_id": _texts,
    "revision": _texts,
    "created_by": _texts,
    "is_absent": st.booleans(),
    "plan_only": st.booleans(),
    "delay": st.floats(0, 1e7),
    "planned": st.lists(_texts, max_size=3).map(tuple),
    "app_id": _texts,
    "slot": _texts,
    "facts": st.lists(
        st.tuples(
            st.sampled_from(["message", "author_name", "tag", "homepage_url", "demo_url"]),
            _texts | st.just("https://acme.example/a?b=c"),
        ),
        max_size=3,
    ).map(tuple),
}


def _tree(
    kind: st.SearchStrategy[Kind], children: st.SearchStrategy[tuple[Entity, ...]]
) -> st.SearchStrategy[Entity]:
    return st.builds(Entity, kind=kind, **_facts, children=children)


_below = st.lists(_tree(st.sampled_from([*every_part()]), st.just(())), max_size=1).map(tuple)


def _trees(root: Kind, step: Kind, *units: Kind) -> st.SearchStrategy[Entity]:
    """Build trees of which a few parts stand many times, so that there is much to be cut."""
    many_units = st.lists(_tree(st.sampled_from(units), _below), max_size=3).flatmap(
        lambda some: st.sampled_from([1, 1, 20]).map(
            lambda times: tuple(
                msgspec.structs.replace(
                    one,
                    id=f"{one.id[:9]}{n}",
                    slot=f"{one.slot[:9]}{n}",
                    description=one.description[n:],
                )
                for one in some
                for n in range(times)
            )
        )
    )
    steps = st.lists(_tree(st.just(step), many_units), max_size=2).flatmap(
        lambda some: st.sampled_from([1, 10]).map(lambda times: tuple(some * times))
    )
    return _tree(st.just(root), steps)


_rollouts = st.one_of(
    _trees(RELEASE, RELEASE_STEP, DEPLOY),
    _trees(WORKFLOW, STEP_GROUP, WORKFLOW_STEP),
    _trees(BRANCH_RUN, INSTALL_GROUP, INSTALL_RUN),
    _trees(INSTALLER, APP, APP_CONFIG, WORKFLOW),
    _trees(APPROVALS, WORKFLOW, APPROVAL),
)


@st.composite
def _situations(draw: st.DrawFn) -> tuple[View, list[Event]]:
    root = draw(_rollouts)
    entities = [(level, entity) for level, entity in root.walk() if level <= Level.UNIT]
    chosen = draw(st.lists(st.sampled_from(entities), min_size=1, max_size=30))
    events = [
        Event(draw(st.sampled_from(EventKind)), level, entity, draw(_reasons), draw(st.booleans()))
        for level, entity in chosen
    ]
    alerts = tuple(
        Alert(
            draw(st.sampled_from([entity.id, f"{root.id}/{entity.work}"])),
            event.kind,
            NOON,
            after(60),
            reason=event.reason,
            is_retrying=draw(st.booleans()),
        )
        for event in events
        for entity in [event.entity]
    )
    remembered = state(
        alerts=alerts,
        attempt=draw(st.integers(1, 10**6)),
        ended=draw(st.sampled_from([None, EventKind.REMOVED])),
    )
    text = draw(_texts)
    return View(
        snapshot=Snapshot(Target(WATCHED_AS[root.kind], root.id), NOON, root),
        state=remembered,
        links=Links("https://app.nuon.co", draw(_texts)),
        title=draw(st.none() | _texts),
        names={entity.install_id: draw(_texts) for _, entity in chosen},
        previous_url=draw(st.none() | _LINKS),
        apps={root.component_id: draw(_texts)},
        silences=(text,) * draw(st.sampled_from([0, 1, 30])),
        filled=draw(st.none() | st.just(FilledTemplates(text, ((text, text),) * 20, _RUNBOOKS))),
        card_url=draw(st.none() | _LINKS),
        table_url=draw(st.none() | _LINKS),
        commits={root.build_id: Commit(text, text, text)},
    ), events


_RUNBOOKS = (("Runbook", "https://wiki.example/" + "x" * 470),) * 20
_LINKS = st.just("https://acme.slack.example/archives/C1/p1?thread_ts=1&cid=C1")


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink texts of a megabyte takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(_situations(), _texts)
def test_whatever_the_platform_says_a_message_is_within_every_limit_and_has_no_foreign_markup(
    situation: tuple[View, list[Event]], nobody: str
) -> None:
    drawn_from, events = situation
    mentions = (*MENTIONS, *(Mention(kind, f"<{nobody}") for kind in list(MentionKind)[2:]))

    card = render.card(drawn_from)
    table = render.table(drawn_from, is_kept=True)
    reply = render.with_mentions(render.reply(drawn_from, events), mentions)
    alone = render.with_mentions(render.standalone(drawn_from, events), mentions)

    assert complaints(card, links=["Runbook"]) == []
    for message in (reply, alone):
        assert complaints(message, pings=PINGS, links=["Runbook"]) == []
    assert table is not None
    for shown in (table, table.without_optional_blocks()):
        assert complaints(shown) == []
    assert render.card(drawn_from) == card
    assert len(render.shown_ids(drawn_from.snapshot, drawn_from.state, events)) <= 104
    assert "\n" not in render.words_of(drawn_from, events[0])
    assert len(render.page_of(drawn_from, events[0])) <= 500


@pytest.mark.parametrize("kind", WATCHED_AS)
def test_the_widest_words_in_every_place_fit(kind: Kind) -> None:
    wide = "🚀" * 1_000  # two UTF-16 units each
    facts = tuple((name, wide) for name in ("message", "author_name", "tag"))
    words = {"description": wide, "name": wide, "facts": facts, "revision": wide, "app_id": "a"}

    def part(part_kind: Kind, number: int, *below: Entity) -> Entity:
        ids = {"install_id": f"{wide}{number}", "slot": f"{number}"}
        status = f"{wide}{number}" if number % 2 else "error"
        return entity(part_kind, f"{number}", status, *below, **words, **ids, planned=(wide,))

    children = {
        RELEASE: (RELEASE_STEP, DEPLOY),
        WORKFLOW: (STEP_GROUP, WORKFLOW_STEP),
        BRANCH_RUN: (INSTALL_GROUP, INSTALL_RUN),
        INSTALLER: (APP, APP_CONFIG),
        APPROVALS: (WORKFLOW, APPROVAL),
    }
    step_kind, unit_kind = children[kind]
    steps = [
        part(step_kind, 100 * n, *(part(unit_kind, 100 * n + i) for i in range(1, 30)))
        for n in range(1, 12)
    ]
    root = entity(kind, "root", wide, *steps, **words, created_by=wide, created_at=NOON)
    filled = FilledTemplates(wide, ((wide, wide),) * 20, _RUNBOOKS)
    stalled = alert("100", EventKind.STALLED, reason=Reason(ReasonKind.DISAGREES))
    drawn_from = view(root, state(alerts=(stalled,)), filled=filled, silences=(wide,) * 20)
    parts = [(Level.ROLLOUT, root), *((Level.STEP, s) for s in steps)]
    parts += [(Level.UNIT, unit) for step in steps for unit in step.children]
    events = [event_of(EventKind.STALLED, level, part, wide) for level, part in parts]

    table = render.table(drawn_from, is_kept=True)

    assert table is not None
    assert complaints(table) == []
    assert complaints(table.without_optional_blocks()) == []
    assert complaints(render.card(drawn_from), links=["Runbook"]) == []
    assert complaints(render.reply(drawn_from, events)) == []
    assert complaints(render.standalone(drawn_from, events), links=["Runbook"]) == []


@given(_texts, _texts)
def test_messages_about_sight_hold_no_foreign_markup(name: str, reason: str) -> None:
    for message in (
        render.unreachable(name, reason, NOON),
        render.reachable(name, NOON, after(1)),
        render.comes_and_goes(name, reason, NOON, timedelta(minutes=30)),
        render.stays_reachable(name, NOON, timedelta(minutes=30)),
        render.removed(name, reason, NOON),
        render.test_message(name, NOON),
    ):
        assert complaints(message) == []


@fixed(20)
@given(_texts, _texts, st.none() | _LINKS, st.sampled_from([1, 50]))
def test_summaries_hold_no_foreign_markup_and_fit(
    name: str, words: str, url: str | None, times: int
) -> None:
    lines = (SummaryLine(name, words, url),) * times
    took = timedelta(minutes=5)
    facts = DigestFacts(
        NOON,
        after(60),
        rollouts=(DigestRollout(name, EventKind.FAILED, took, 10**6, 10**6, url),) * times,
        still_failing=lines,
        slowest=(DigestInstall(name, 5, took, url=url),) * times,
        flakiest=(DigestInstall(name, 5, None, 5, url),) * times,
    )

    assert complaints(render.quiet_summary(name, NOON, after(1), lines, lines)) == []
    assert complaints(render.digest(facts)) == []
