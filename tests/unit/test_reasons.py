"""Why there is an event: nothing is decided by what the platform says, whatever it says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.compose.phrases import phrase_of, phrase_of_many
from monitor.decide.dispatch import Plan, dispatch
from monitor.decide.scene import Scene
from monitor.kinds import KINDS
from monitor.model import (
    Alert,
    Entity,
    EventKind,
    Kind,
    PastStatus,
    Phase,
    Reason,
    ReasonKind,
    TargetState,
    known_statuses,
    phase_of,
)
from tests.support.builders import Reader, after, deploy, fixed, release, state, step
from tests.support.clock import NOON

EVERY_ARGUMENT = Reason(
    description="helm timed out",
    status="cancelled",
    before="active",
    fact="sandbox_mode",
    value="on",
    ends=("cancelled", "noop"),
)
EVERY_REASON = [msgspec.structs.replace(EVERY_ARGUMENT, kind=kind) for kind in ReasonKind]

OUR_SENTENCES = tuple(
    dict.fromkeys(words(one) for words in (phrase_of, phrase_of_many) for one in EVERY_REASON)
)
THEIR_SENTENCES = (
    "error while executing steps",
    "finished executing step 3",
    "step failed, review the error in logs and try again",
    "workflow cancelled",
    "to be approved: the plan (apply api)",
    " ",
    *map(str, EventKind),
    *map(str, ReasonKind),
)

# Histories of snapshots: each description in them is a number, for which any text can stand

_TEXTS_IN_A_HISTORY = 3
_numbers = st.sampled_from(["", *map(str, range(_TEXTS_IN_A_HISTORY))])
_PROFILES = [kind.profile for kind in KINDS.values()]


def _statuses(kind: Kind) -> st.SearchStrategy[str]:
    """A word of any phase, as often as not of a good or a bad end."""
    words: dict[Phase, list[str]] = {}
    for word in ["strange", *sorted(known_statuses(kind))]:
        words.setdefault(phase_of(kind, word), []).append(word)
    ends = [words[phase] for phase in (Phase.FAILED, Phase.SUCCEEDED) if phase in words]
    choices = [*words.values(), *ends, *ends]
    return st.sampled_from(choices).flatmap(st.sampled_from)


_STATUSES = {
    kind: _statuses(kind)
    for profile in _PROFILES
    for kind in (profile.root, profile.step, profile.unit)
}


@st.composite
def _entities(draw: st.DrawFn, kind: Kind, name: str, at: float, **facts: Any) -> Entity:
    """Something as it may be at a minute, with what it went through since the minute before."""
    words = _STATUSES[kind]
    history = [
        PastStatus(draw(words), after(at - 0.9 + 0.2 * n), draw(_numbers))
        for n in range(draw(st.integers(1, 3)))
    ]
    return Entity(
        kind=kind,
        id=name,
        status=draw(words),
        description=draw(_numbers),
        status_at=after(at),
        created_at=NOON,
        history=tuple(history),
        **facts,
    )


@st.composite
def _histories(draw: st.DrawFn) -> list[tuple[float, Entity]]:
    profile = draw(st.sampled_from(_PROFILES))
    polls, minute = [], 0.0
    for _ in range(draw(st.integers(3, 4))):
        minute += draw(st.sampled_from([1, 1, 40, 300]))
        steps = []
        for number in range(1, draw(st.integers(1, 2)) + 1):
            units = tuple(
                draw(_entities(profile.unit, f"{number}{install}", minute, install_id=install))
                for install in "ab"[: draw(st.integers(1, 2))]
            )
            steps.append(draw(_entities(profile.step, f"{number}", minute, children=units)))
        facts = (("mode", draw(st.sampled_from(["", "on", "off"]))),)
        whole = _entities(profile.root, "root", minute, children=tuple(steps), facts=facts)
        polls.append((minute, draw(whole)))
    return polls


def told_with(entity: Entity, texts: Mapping[str, str]) -> Entity:
    """Return an entity with other descriptions, of itself and of all below it and before."""
    return msgspec.structs.replace(
        entity,
        description=texts.get(entity.description, ""),
        history=tuple(
            msgspec.structs.replace(past, description=texts.get(past.description, ""))
            for past in entity.history
        ),
        children=tuple(told_with(child, texts) for child in entity.children),
    )


def decided(history: Iterable[tuple[float, Entity]], texts: Mapping[str, str]) -> list[object]:
    """Return all that is decided poll by poll, but what the platform says."""
    reader, found = Reader(), []
    for minute, root in history:
        events = reader.poll(told_with(root, texts), after(minute))
        assert reader.seen is not None
        assert reader.state is not None
        scene = Scene(reader.seen, ("#releases",))
        sent = dispatch(
            scene,
            events,
            reader.state,
            plan=Plan(),
            silences=(),
            keeps_cards=lambda _: True,
            now=after(minute),
        )
        found.append(
            (
                [
                    (e.kind, e.level, e.entity.id, e.alert_key, e.reason.kind, e.is_reminder)
                    for e in events
                ],
                [len(news.events) for news in sent.news.values()],
                without_words(reader.state),
            )
        )
    return found


def without_words(known: TargetState) -> TargetState:
    alerts = tuple(
        msgspec.structs.replace(alert, reason=msgspec.structs.replace(alert.reason, description=""))
        for alert in known.alerts
    )
    return msgspec.structs.replace(known, alerts=alerts)


_any_text = st.sampled_from(OUR_SENTENCES + THEIR_SENTENCES) | st.text(min_size=1, max_size=30)


@settings(fixed(150), suppress_health_check=[HealthCheck.too_slow])
@given(
    _histories(),
    st.lists(_any_text, min_size=_TEXTS_IN_A_HISTORY, max_size=_TEXTS_IN_A_HISTORY, unique=True),
)
def test_whatever_the_platform_says_the_same_is_decided(
    history: list[tuple[float, Entity]], texts: list[str]
) -> None:
    expected = decided(history, {str(n): f"helm timed out {n}" for n in range(len(texts))})

    assert decided(history, {str(n): text for n, text in enumerate(texts)}) == expected


@settings(fixed(100), suppress_health_check=[HealthCheck.too_slow])
@given(_histories())
def test_each_of_our_own_sentences_can_be_the_platforms(
    history: list[tuple[float, Entity]],
) -> None:
    numbers = range(_TEXTS_IN_A_HISTORY)
    expected = decided(history, {str(n): f"helm timed out {n}" for n in numbers})

    # So each sentence comes in each place once.
    for first in range(len(OUR_SENTENCES)):
        texts = {str(n): OUR_SENTENCES[(first + n) % len(OUR_SENTENCES)] for n in numbers}
        assert decided(history, texts) == expected, texts


def test_a_failure_that_is_said_to_be_tried_again_is_no_retry() -> None:
    failed = PastStatus("error", after(1), "is being tried again")
    mended = deploy("a", "active", status_at=after(2), history=(failed,))
    reader = Reader()
    begun = deploy("a", "executing", status_at=NOON)
    reader.poll(release("executing", step(1, "executing", begun)), NOON)

    events = reader.poll(release("executing", step(1, "executing", mended)), after(3))

    assert [(e.kind, e.reason.kind) for e in events] == [
        (EventKind.FAILED, ReasonKind.PLATFORM),
        (EventKind.RECOVERED, ReasonKind.SUCCEEDED_AFTER_FAILING),
    ]


# A reason on its way


@pytest.mark.parametrize("reason", EVERY_REASON, ids=lambda reason: str(reason.kind))
def test_a_reason_comes_back_from_the_store_as_it_was(reason: Reason) -> None:
    alert = Alert("step/a", EventKind.STALLED, NOON, NOON, reason)
    stored = msgspec.json.encode(state(alerts=(alert,)))

    assert msgspec.json.decode(stored, type=TargetState).alerts == (alert,)
    assert json.loads(stored)["alerts"][0]["reason"].get("kind", "platform") == reason.kind


@pytest.mark.parametrize("reason", EVERY_REASON, ids=lambda reason: str(reason.kind))
def test_there_are_words_for_every_reason(reason: Reason) -> None:
    for phrase in (phrase_of(reason), phrase_of_many(reason)):
        assert phrase.strip()
        assert "{" not in phrase


def test_the_words_for_a_reason_hold_what_is_foreign_as_it_came() -> None:
    braces = Reason(ReasonKind.NEW_STATUS, status="{description} {0} %s", description="nothing")

    assert phrase_of(braces) == "is {description} {0} %s"


def test_what_many_have_in_common_is_said_of_many() -> None:
    assert phrase_of_many(Reason(ReasonKind.TRIED_AGAIN)) == "are being retried"
    assert phrase_of_many(Reason(ReasonKind.FACT_ADDED, fact="git_ref")) == "have a git ref"
    assert phrase_of_many(Reason(description="is the platform's own")) == "is the platform's own"
