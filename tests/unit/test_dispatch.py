"""Who is told of what, over the life of a trouble: at once, later, or never, and each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.dispatch import Dispatch, Plan, dispatch
from monitor.decide.routing import Rule
from monitor.decide.scene import Scene
from monitor.decide.verdicts import Silence
from monitor.decide.windows import Once, Then, Window
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.installer_configs import APP_CONFIG
from monitor.model import (
    Entity,
    EventKind,
    Matcher,
    Mention,
    MentionKind,
    Named,
    Target,
    TargetState,
)
from tests.support.builders import (
    RELEASE_ID,
    Reader,
    after,
    deploy,
    fixed,
    release,
    snapshot,
    step,
)
from tests.support.clock import NOON

DEFAULT, ONCALL, HOOK = "#releases", "#oncall", "webhook"
HERE = Mention(MentionKind.HERE)


class RoutedRelease:
    """A release that is watched, routed by a plan: what each destination is sent, poll by poll."""

    def __init__(
        self,
        *rules: Rule,
        windows: Sequence[Window] = (),
        default_destinations: Sequence[str] = (DEFAULT,),
    ) -> None:
        self.reader = Reader()
        self.plan = Plan(rules, tuple(windows))
        self.default_destinations = tuple(default_destinations)
        self.silences: list[Silence] = []

    def look(self, root: Entity, minutes: float, **scene: object) -> Dispatch:
        events = self.reader.poll(root, after(minutes))
        assert self.reader.state is not None
        found = dispatch(
            Scene(snapshot(root), self.default_destinations, **scene),  # type: ignore[arg-type]
            events,
            self.reader.state,
            plan=self.plan,
            silences=self.silences,
            keeps_cards=lambda destination: destination != HOOK,
            now=after(minutes),
        )
        self.reader.state = found.state
        return found

    @property
    def state(self) -> TargetState:
        assert self.reader.state is not None
        return self.reader.state


def rolling(*statuses: str, root: str = "executing_release_steps") -> Entity:
    units = [deploy(name, status) for name, status in zip("abcdef", statuses, strict=False)]
    return release(root, step(1, "polling_install_deploys", *units))


def told(found: Dispatch) -> dict[str, list[str]]:
    """Return by destination what is told, but for the beginning."""
    news = {
        destination: [str(e.kind) for e in one.events if e.kind not in _UNINTERESTING]
        for destination, one in found.news.items()
    }
    return {destination: kinds for destination, kinds in news.items() if kinds}


_UNINTERESTING = (EventKind.STARTED, EventKind.PROGRESSED)
FAILING = (EventKind.FAILED,)


def quiet(begins: float, ends: float, then: Then = Then.SUMMARY, **facts: object) -> Window:
    return Window(Once(after(begins), after(ends)), "night", then=then, **facts)  # type: ignore[arg-type]


def silence(until: float, **patterns: str) -> Silence:
    return Silence(
        id=1,
        matcher=Matcher({key: (pattern,) for key, pattern in patterns.items()}),
        until=after(until),
        author="anna",
        reason="known",
        created_at=NOON,
    )


# Where it goes


def test_without_routes_the_default_destination_is_notified_of_everything() -> None:
    book = RoutedRelease()
    book.look(rolling("executing"), 0)

    assert told(book.look(rolling("error"), 1)) == {DEFAULT: ["failed"]}
    assert book.state.card_destinations == (DEFAULT,)


def test_a_route_takes_what_is_its_own_and_leaves_the_rest() -> None:
    book = RoutedRelease(Rule(destination=ONCALL, events=FAILING, mentions=(HERE,)))
    book.look(rolling("executing"), 0)

    failed = book.look(rolling("error"), 1)
    recovered = book.look(rolling("active"), 2)

    assert told(failed) == {ONCALL: ["failed"]}
    assert failed.news[ONCALL].entries[0][1] == (HERE,)
    assert told(recovered) == {}


def test_the_card_stands_where_the_beginning_is_told() -> None:
    book = RoutedRelease(
        Rule(destination="#checkout", matcher=Matcher({"component": ("checkout-*",)}))
    )

    book.look(rolling("executing"), 0)

    assert book.state.card_destinations == ("#checkout",)


def test_two_watches_that_lead_to_one_release_are_both_told_once() -> None:
    book = RoutedRelease(
        Rule(destination=ONCALL, events=FAILING, continues=True),
        default_destinations=(DEFAULT, "#other"),
    )
    book.look(rolling("executing"), 0)

    found = told(book.look(rolling("error"), 1))

    assert found == {ONCALL: ["failed"], DEFAULT: ["failed"], "#other": ["failed"]}


def test_an_apps_own_webhook_is_told_of_that_app_too() -> None:
    book = RoutedRelease()
    root = release("executing_release_steps", step(1, "polling_install_deploys"), app_id="app1")

    found = book.look(root, 0, app_destinations={"app1": "webhook of app app1"})

    assert set(found.news) == {DEFAULT, "webhook of app app1"}


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("kind", "release"),
        ("kind", "install deploy"),
        ("app", "Shop"),
        ("component", "checkout-api"),
        ("install", "acme"),
        ("rollout", RELEASE_ID),
        ("watch", "payments"),
        ("labels.team", "core"),
    ],
)
def test_a_failed_install_is_known_by_all_that_routes_can_ask_for(key: str, pattern: str) -> None:
    book = RoutedRelease(
        Rule(destination=ONCALL, events=FAILING, matcher=Matcher({key: (pattern,)}))
    )
    scene = {
        "names": {"a": "acme", "app1": "Shop"},
        "apps": {"cmp1": "app1"},
        "watch": Named("w", "payments"),
        "labels": {"team": "core"},
    }

    def root(status: str) -> Entity:
        return release(
            "executing_release_steps",
            step(1, "polling_install_deploys", deploy("a", status)),
            component_id="cmp1",
        )

    book.look(root("executing"), 0, **scene)

    assert told(book.look(root("error"), 1, **scene)) == {ONCALL: ["failed"]}


def test_a_failed_config_is_known_by_the_app_that_it_belongs_to() -> None:
    def installer(status: str) -> Entity:
        config = Entity(APP_CONFIG, "cfg1", status, slot="config")
        app = Entity(APP, "app1", "active", name="Shop", app_id="app1", children=(config,))
        return Entity(INSTALLER, "int1", name="Acme", children=(app,))

    book = RoutedRelease(Rule(destination="#shop", matcher=Matcher({"app": ("app1",)})))
    book.look(installer("syncing"), 0)

    assert told(book.look(installer("error"), 1)) == {"#shop": ["failed"]}


# Thresholds


def test_what_recovers_by_itself_wakes_nobody() -> None:
    book = RoutedRelease(Rule(destination=ONCALL, events=FAILING, lasting=timedelta(minutes=5)))
    book.look(rolling("executing"), 0)

    assert told(book.look(rolling("error"), 1)) == {}
    assert told(book.look(rolling("active"), 4)) == {}
    assert told(book.look(rolling("active"), 9)) == {}


def test_what_lasts_is_told_once_its_time_has_come() -> None:
    book = RoutedRelease(Rule(destination=ONCALL, events=FAILING, lasting=timedelta(minutes=5)))
    book.look(rolling("executing"), 0)
    book.look(rolling("error"), 1)
    (alert,) = book.state.alerts

    late = book.look(rolling("error"), 6)

    assert alert.look_again_at == after(6)
    assert told(late) == {ONCALL: ["failed"]}
    assert told(book.look(rolling("error"), 7)) == {}


def test_the_first_failures_wait_until_enough_installs_have_failed() -> None:
    book = RoutedRelease(Rule(destination=ONCALL, events=FAILING, min_failed=2))
    book.look(rolling("executing", "executing"), 0)

    assert told(book.look(rolling("error", "executing"), 1)) == {}
    assert told(book.look(rolling("error", "error"), 2)) == {ONCALL: ["failed", "failed"]}


def test_the_failure_of_the_whole_speaks_for_the_parts_that_waited() -> None:
    book = RoutedRelease(Rule(destination=ONCALL, events=FAILING, min_failed=3))
    book.look(rolling("executing"), 0)
    book.look(rolling("error"), 1)

    found = told(book.look(rolling("error", root="error"), 2))

    assert found == {ONCALL: ["failed"]}
    assert not any(alert.is_kept_back for alert in book.state.alerts)


# Quiet hours


def test_what_happens_in_a_quiet_window_is_kept_for_its_summary() -> None:
    book = RoutedRelease(windows=[quiet(1, 20)])
    book.look(rolling("executing"), 0)

    found = book.look(rolling("error"), 2)

    assert told(found) == {}
    assert [(one.event.kind, one.windows, one.until) for one in found.held] == [
        (EventKind.FAILED, ("night",), after(20))
    ]


@pytest.mark.parametrize("then", list(Then))
def test_what_still_fails_when_a_window_ends_is_told_then(then: Then) -> None:
    book = RoutedRelease(windows=[quiet(1, 20, then)])
    book.look(rolling("executing"), 0)
    book.look(rolling("error"), 2)

    at_the_end = book.look(rolling("error"), 20)

    assert told(at_the_end) == {DEFAULT: ["failed"]}
    assert told(book.look(rolling("error"), 21)) == {}


@pytest.mark.parametrize(("then", "lines"), [(Then.SUMMARY, 1), (Then.DROP, 0)])
def test_only_a_window_with_a_summary_keeps_what_is_over_by_its_end(then: Then, lines: int) -> None:
    book = RoutedRelease(windows=[quiet(1, 20, then)])
    book.look(rolling("executing"), 0)

    failed = book.look(rolling("error"), 2)
    recovered = book.look(rolling("active"), 3)

    assert len(failed.held) == lines
    assert told(recovered) == {}
    assert told(book.look(rolling("active"), 20)) == {}


# Silences


def test_what_is_silenced_is_told_to_nobody_and_said_on_the_card() -> None:
    book = RoutedRelease()
    book.look(rolling("executing"), 0)
    book.silences = [silence(20, install="a")]

    found = book.look(rolling("error"), 1)

    assert told(found) == {}
    assert found.silences == tuple(book.silences)


def test_what_still_fails_when_a_silence_ends_is_told_then() -> None:
    book = RoutedRelease()
    book.look(rolling("executing"), 0)
    book.silences = [silence(20, install="a")]
    book.look(rolling("error"), 1)
    (alert,) = book.state.alerts

    assert alert.look_again_at == after(20)
    assert told(book.look(rolling("error"), 20)) == {DEFAULT: ["failed"]}


def test_a_silence_over_one_install_leaves_the_others_loud() -> None:
    book = RoutedRelease()
    book.look(rolling("executing", "executing"), 0)
    book.silences = [silence(20, install="a")]

    found = book.look(rolling("error", "error"), 1)

    assert [event.entity.install_id for event in found.news[DEFAULT].events] == ["b"]


def test_a_silence_over_the_whole_release_is_said_before_anything_fails() -> None:
    book = RoutedRelease()
    book.silences = [silence(20, rollout=RELEASE_ID)]

    found = book.look(rolling("executing"), 0)

    assert found.silences == tuple(book.silences)


# Laws


_LIVES = st.lists(st.sampled_from(["executing", "error", "active"]), min_size=1, max_size=8)


@fixed(150)
@given(
    life=_LIVES,
    rules=st.lists(
        st.builds(
            Rule,
            destination=st.sampled_from(["#one", "#two"]),
            events=st.sampled_from([(), FAILING, (EventKind.RECOVERED,)]),
            continues=st.booleans(),
            min_failed=st.sampled_from([1, 2]),
            lasting=st.sampled_from([timedelta(), timedelta(minutes=2)]),
        ),
        max_size=3,
    ),
    window=st.none() | st.builds(quiet, st.integers(0, 3), st.integers(4, 8)),
)
def test_no_sink_is_told_of_one_failure_twice(
    life: list[str], rules: list[Rule], window: Window | None
) -> None:
    book = RoutedRelease(*rules, windows=[window] if window else [])
    notified: dict[str, int] = {}

    for minute, status in enumerate(["executing", *life, life[-1], life[-1]]):
        found = told(book.look(rolling(status), minute))
        if status != "error":
            notified.clear()  # the next failure is another one
        for destination, kinds in found.items():
            for kind in kinds:
                if kind == "failed":
                    notified[destination] = notified.get(destination, 0) + 1
        assert all(times == 1 for times in notified.values())


def test_a_plan_without_rules_tells_what_policy_decided_and_no_more() -> None:
    book = RoutedRelease()
    life = ["executing", "error", "executing", "error", "active"]

    found = [told(book.look(rolling(status), n)) for n, status in enumerate(life)]

    assert [one.get(DEFAULT, []) for one in found] == [
        [],
        ["failed"],
        [],
        ["failed"],
        ["recovered"],
    ]
    assert snapshot(rolling("active")).target == Target("release", RELEASE_ID)
