"""Failures that come one by one: few posts that notify, each true, the first of them at once."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.decide.verdicts import Silence
from monitor.decide.windows import Once, Then, Window
from monitor.model import Entity, EventKind, Form, Matcher, Mention, MentionKind
from tests.support.builders import after, deploy, fixed, release, step
from tests.support.watched import DEFAULT, WEBHOOK, Watched, firsts, watch_of

INTERVAL = timedelta(minutes=5)
HERE = Mention(MentionKind.HERE)
TIMEOUT, QUOTA = "helm upgrade timed out after 5m0s", "quota exceeded"


def rolling(
    total: int,
    *failed: int,
    root: str = "executing_release_steps",
    done: tuple[int, ...] = (),
    again: tuple[int, ...] = (),
    reason: str = TIMEOUT,
) -> Entity:
    """Return a release to so many installs, of which some failed, are done or are tried again."""
    status = dict.fromkeys(failed, "error") | dict.fromkeys(done, "active")
    status |= dict.fromkeys(again, "executing")
    units = [
        deploy(f"inl{n:03}", status.get(n, "executing"), reason if n in failed else "")
        for n in range(1, total + 1)
    ]
    step_status = "error" if root == "error" else "polling_install_deploys"
    return release(root, step(1, step_status, *units))


def failing_one_by_one(watched: Watched, total: int, count: int, minutes: float) -> float:
    """Let some of the installs fail, one after the other, in so many minutes; returns the end."""
    watched.look(rolling(total), 0)
    last = 0.0
    for number in range(1, count + 1):
        last = minutes * (number - 1) / max(1, count - 1)
        watched.pass_time(last)
        watched.look(rolling(total, *range(1, number + 1)), last)
    return last


def test_the_first_failure_is_posted_at_once_and_the_next_ones_together() -> None:
    watched = Watched()
    failing_one_by_one(watched, 48, 13, minutes=3)
    watched.pass_time(60)

    assert firsts(watched.notifying())[:2] == [
        (0, f"❌ checkout-api failed on inl001: {TIMEOUT} (1 of 48)"),
        (5, f"❌ checkout-api failed on 12 more installs, 13 of 48: {TIMEOUT} (12)"),
    ]
    assert len(watched.thread()) == 12
    assert [watched.sent[-2][0], watched.sent[-1][0]] == [5, 33]  # and then that it stalled


def test_sixty_that_fail_in_twenty_minutes_are_six_posts_each_true_when_it_is_read() -> None:
    watched = Watched()
    end = failing_one_by_one(watched, 300, 60, minutes=20)
    numbers = range(1, 61)
    watched.look(rolling(300, *numbers, root="error"), end + 0.25)
    watched.pass_time(60)

    posts = watched.notifying()
    assert len(posts) <= 6
    for minutes, text in posts[1:]:
        have_failed = sum(20 * (n - 1) / 59 < minutes for n in numbers)
        assert f"{have_failed} of 300" in text
    assert "checkout-api failed" in posts[-1][1]
    drawn = sorted({minutes for minutes, _ in watched.cards})
    assert all(later - earlier <= 1 for earlier, later in pairwise(drawn))


def test_a_group_says_its_failures_by_their_reasons() -> None:
    watched = Watched()
    watched.look(rolling(6), 0)
    watched.look(rolling(6, 1), 1)
    units = [
        deploy("a", "error", TIMEOUT),
        deploy("b", "error", TIMEOUT),
        deploy("c", "error", QUOTA),
    ]
    first = deploy("inl001", "error", TIMEOUT)
    watched.look(release("executing", step(1, "polling_install_deploys", first, *units)), 2)
    watched.pass_time(6)

    (_, text) = watched.notifying()[-1]
    assert text.startswith(
        f"❌ checkout-api failed on 3 more installs, 4 of 9: {TIMEOUT} (2), quota exceeded (1)"
    )


def test_what_goes_well_again_within_the_interval_is_in_no_summary() -> None:
    watched = Watched()
    watched.look(rolling(9), 0)
    watched.look(rolling(9, 1), 1)
    watched.look(rolling(9, 1, 2, 3), 2)
    watched.look(rolling(9, 1, 2, done=(3,)), 3)
    watched.pass_time(6)

    assert firsts(watched.notifying())[1:] == [
        (6, f"❌ checkout-api failed on 1 more install, 2 of 9: {TIMEOUT} (1)")
    ]


def test_where_nothing_fails_any_more_there_is_no_summary_and_the_next_is_posted_at_once() -> None:
    watched = Watched()
    watched.look(rolling(9), 0)
    watched.look(rolling(9, 1), 1)
    watched.look(rolling(9, 1, 2), 2)
    watched.look(rolling(9, 1, again=(2,)), 3)
    watched.pass_time(7)
    watched.look(rolling(9, 1, 4, again=(2,)), 7)

    assert [minutes for minutes, _ in watched.notifying()] == [1, 7]


def test_after_a_summary_further_failures_are_put_together_again() -> None:
    watched = Watched()
    watched.look(rolling(9), 0)
    for minutes, failed in ((1, 1), (2, 2), (7, 3), (12, 4)):
        watched.pass_time(minutes)
        watched.look(rolling(9, *range(1, failed + 1)), minutes)
    watched.pass_time(25)

    assert [minutes for minutes, _ in watched.notifying()] == [1, 6, 11, 16]


def test_the_end_of_the_rollout_says_the_extent_and_nothing_is_said_after_it() -> None:
    watched = Watched()
    watched.look(rolling(9), 0)
    watched.look(rolling(9, 1), 1)
    watched.look(rolling(9, 1, 2), 2)
    watched.look(rolling(9, 1, 2, 3, root="error"), 3)
    watched.pass_time(60)

    (_, (minutes, text)) = watched.notifying()
    assert minutes == 3
    assert text.startswith("❌ checkout-api failed: 3 of 9 installs")


def test_what_fails_after_the_end_is_put_together_as_well() -> None:
    watched = Watched()
    watched.look(rolling(9), 0)
    watched.look(rolling(9, 1, root="error"), 1)
    watched.look(rolling(9, 1, 2, root="error"), 2)
    watched.look(rolling(9, 1, 2, 3, root="error"), 3)
    watched.pass_time(60)

    assert [minutes for minutes, _ in watched.notifying()] == [1, 6]


def test_a_route_has_an_interval_of_its_own() -> None:
    oncall = Rule(
        destination="#oncall",
        events=(EventKind.FAILED,),
        group_interval=timedelta(minutes=15),
        mentions=(HERE,),
        continues=True,
    )
    watched = Watched(Plan((oncall,), group_interval=INTERVAL))
    failing_one_by_one(watched, 48, 3, minutes=2)
    watched.pass_time(29)

    assert [minutes for minutes, _ in watched.notifying("#oncall")] == [0, 15]
    assert [minutes for minutes, _ in watched.notifying(DEFAULT)] == [0, 5]
    mentions = [one.mentions for _, one in watched.sent if one.destination == "#oncall"]
    assert mentions == [(HERE,), (HERE,)]


def test_a_webhook_gets_the_summary_only() -> None:
    watched = Watched(watch=watch_of(WEBHOOK))
    failing_one_by_one(watched, 48, 13, minutes=3)
    watched.pass_time(6)

    posts = [one for _, one in watched.sent if EventKind.FAILED in one.events]
    assert [one.form for one in posts] == [Form.MESSAGE] * 2
    assert "failed on 12 more installs, 13 of 48" in posts[1].message.text


def test_a_webhook_counts_as_notified_with_the_summary() -> None:
    watched = Watched(watch=watch_of(WEBHOOK))
    failing_one_by_one(watched, 4, 2, minutes=1)
    before = [alert.notified_destinations for alert in watched.state.alerts]
    watched.pass_time(6)

    assert before == [(WEBHOOK,), ()]
    assert [alert.notified_destinations for alert in watched.state.alerts] == [(WEBHOOK,)] * 2


def test_a_quiet_window_holds_a_summary_until_its_end() -> None:
    window = Window(when=Once(after(3), after(30)), name="night", then=Then.SUMMARY)
    watched = Watched(Plan(windows=(window,), group_interval=INTERVAL))
    failing_one_by_one(watched, 48, 3, minutes=2)
    watched.pass_time(30)

    assert [minutes for minutes, _ in watched.notifying()] == [0, 30]
    assert "failed on 2 more installs, 3 of 48" in watched.notifying()[1][1]


def test_what_is_silenced_is_in_no_summary_before_its_silence_ends() -> None:
    watched = Watched()
    failing_one_by_one(watched, 48, 3, minutes=2)
    watched.silences = (
        Silence(
            id=1,
            matcher=Matcher({"install": ("inl002",)}),
            until=after(20),
            author="anna",
            reason="known",
            created_at=after(3),
        ),
    )
    watched.pass_time(29)

    assert firsts(watched.notifying())[1:] == [
        (5, f"❌ checkout-api failed on 1 more install, 3 of 48: {TIMEOUT} (1)"),
        (20, f"❌ checkout-api failed on 1 more install, 3 of 48: {TIMEOUT} (1)"),
    ]


def test_what_must_last_is_grouped_once_it_has_lasted() -> None:
    rule = Rule(destination=DEFAULT, lasting=timedelta(minutes=2), group_interval=INTERVAL)
    watched = Watched(Plan((rule,)))
    watched.look(rolling(9), 0)
    watched.look(rolling(9, 1), 1)
    watched.look(rolling(9, 1, 2), 2)
    watched.pass_time(29)

    assert [minutes for minutes, _ in watched.notifying()] == [3, 8]


def test_what_waits_for_a_number_of_failures_is_one_post_and_the_rest_is_grouped() -> None:
    rule = Rule(destination=DEFAULT, min_failed=3, group_interval=INTERVAL)
    watched = Watched(Plan((rule,)))
    failing_one_by_one(watched, 9, 5, minutes=4)
    watched.pass_time(29)

    assert [minutes for minutes, _ in watched.notifying()] == [2, 7]


STATUS = st.sampled_from(("executing", "error", "active"))


@given(
    st.lists(st.tuples(st.lists(STATUS, min_size=4, max_size=4), st.floats(0.25, 4)), max_size=25),
    st.booleans(),
)
@fixed(40)
def test_however_installs_fare_posts_are_few_and_what_keeps_failing_is_known(
    polls: list[tuple[list[str], float]], restarts: bool
) -> None:
    watched, now = Watched(restarts=restarts), 0.0
    watched.look(rolling(4), 0)
    for statuses, pause in polls:
        now += pause
        watched.pass_time(now)
        failed = [n for n, status in enumerate(statuses, start=1) if status == "error"]
        done = tuple(n for n, status in enumerate(statuses, start=1) if status == "active")
        watched.look(rolling(4, *failed, done=done), now)
    watched.pass_time(now + 10)

    assert watched.seen is not None
    times = [
        minutes
        for minutes, one in watched.sent
        if one.is_broadcast and EventKind.FAILED in one.events
    ]
    # Never two within an interval, and what has failed for longer than one is known by all.
    assert all(later - earlier >= 5 - 1e-6 for earlier, later in pairwise(times))
    assert not watched.state.has_groups_to_sum_up
    failing = [alert for alert in watched.state.alerts if alert.kind is EventKind.FAILED]
    assert all(alert.notified_destinations == (DEFAULT,) for alert in failing)
