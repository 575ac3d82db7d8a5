"""`nuon-monitor route test`: it says where an event goes in the very words of the decision."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.compose.phrases import (
    budget_words,
    catch_up_words,
    folded_words,
    grouped_words,
    grouping_words,
)
from monitor.decide.verdicts import Silence
from monitor.model import Alert, EventKind, Group, Reason
from monitor.store import Name, Observation, Store
from tests.support.builders import deploy, release, snapshot, state, step
from tests.support.clock import NOON
from tests.support.commands import Runner
from tests.support.configuration import configuration
from tests.support.processes import Result
from tests.support.situations import SITUATIONS, Situation
from tests.support.situations.parts import DEFAULT
from tests.support.situations.typed import outcome_of, quiet_of, route_of, typed, watch_of
from tests.support.world import CHANNEL, a_live_world

STORE_URL = "sqlite:///nuon-monitor.db"
NOW = datetime.now(UTC)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    """Run `nuon-monitor route test` in this process, in a folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Runner(capsys, "route", "test", file="monitor.toml")


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the release and the names of the table of situations."""
    file = tmp_path_factory.mktemp("store") / "first.db"
    units = (deploy("inl1", "error", "helm upgrade timed out"), deploy("inl2", "executing"))
    root = release("executing", step(1, "error", *units), id="rel1", component_id="cmp1")
    failed = Alert(
        "rel-step-1/inl1",
        EventKind.FAILED,
        NOON,
        NOON,
        Reason(description="helm"),
        notified_destinations=("#oncall",),
    )
    names = {"inl1": Name("acme-prod"), "cmp1": Name("checkout-api", "app1"), "app1": Name("shop")}
    with Store.open(f"sqlite:///{file}", now=NOON) as store:
        store.save(Observation(snapshot(root), state(alerts=(failed,)), b""))
        store.names.save(names, NOON)
    return file


@pytest.fixture
def store(run: Runner, first_store: Path) -> Iterator[Store]:
    """That store, to write into."""
    shutil.copy(first_store, "nuon-monitor.db")
    with Store.open_beside(STORE_URL) as opened:
        yield opened


def configure(*sections: str) -> None:
    if not any("[[watch]]" in section for section in sections):
        sections = ('[[watch]]\napp = "app1"', *sections)
    text = configuration(*sections, slack={"channel": DEFAULT})
    Path("monitor.toml").write_text(text, encoding="utf-8")


def asked(run: Runner, *arguments: str) -> dict[str, Any]:
    shown = run(*arguments, "--json")
    assert shown.err == ""
    assert shown.code == 0
    page: dict[str, Any] = json.loads(shown.out)
    return page


# The configuration refuses quiet hours of a route that there is not.
IMPOSSIBLE = "quiet hours of a route are none of the watch's own channel"
POSSIBLE = {name: one for name, one in SITUATIONS.items() if name != IMPOSSIBLE}


@pytest.mark.parametrize("situation", POSSIBLE.values(), ids=POSSIBLE)
def test_route_test_explains_each_situation_in_the_same_words(
    run: Runner, store: Store, situation: Situation
) -> None:
    configure(
        watch_of(situation.subject),
        *map(route_of, situation.routes),
        *map(quiet_of, situation.windows),
    )
    install = situation.subject.install
    store.names.save({install.id: Name(install.name)} if install.id else {}, NOON)
    arguments = typed(situation.subject, situation.at)
    for silence in situation.silences:
        keep(store, silence)
        if "rollout" in silence.matcher.patterns:  # an id can only be that of something seen
            arguments += ["--target", situation.subject.rollout.id]

    page = asked(run, *arguments)

    assert (outcome_of(page), page["steps"]) == (situation.notified, situation.why)


def keep(store: Store, silence: Silence) -> None:
    store.silences.add(
        silence.matcher.patterns,
        until=silence.until,
        author=silence.author,
        reason=silence.reason,
        now=silence.created_at,
    )


# For people


ONCALL = """
[[route]]
name = "on-call"
events = ["failed", "unreachable"]
channel = "#oncall"
mention = ["@here", "started_by"]
lasting = "5m"
continue = true
"""
ALWAYS_QUIET = """
[[quiet]]
name = "holidays"
from = 2020-01-01T00:00:00Z
to = 2120-01-01T00:00:00Z
"""


def budget(*, is_exempt: bool = False) -> str:
    return budget_words(20, timedelta(minutes=5), has_thread=True, is_exempt=is_exempt)


def lines_of(shown: Result) -> list[str]:
    assert (shown.code, shown.err) == (0, "")
    return [line.rstrip() for line in shown.out.splitlines()]


def test_it_shows_what_it_was_asked_then_each_step_then_the_outcome(
    run: Runner, store: Store
) -> None:
    configure(ONCALL)

    shown = run("--event", "failed", "--install", "inl1", "--at", "2025-12-01T12:00Z")

    assert lines_of(shown) == [
        "failed, of a part, at 2025-12-01 12:00 UTC",
        "  install: acme-prod, inl1",
        "  failed so far: 1 install",
        "",
        '  route 1 "on-call": matches, not yet told in #oncall: only if it lasts 5 min',
        "  (so far 0 s); looks further",
        "  no further route matches: told in the watch's own channel #releases",
        "",
        "→ told in #releases",
        "→ waits for #oncall with @here, until 12:05 UTC",
        "→ in #releases: further failures within 5 min are in the thread, and summed up",
        "  after that if any still fails",
        "→ in #releases: beyond 20 messages that notify in 5 min it is told together with",
        "  others, and in its thread without a sound; if it cannot be sent within 5 min",
        "  it is told together with others, as things stand by then",
    ]


def test_it_says_what_is_put_together_in_the_words_of_the_messages(
    run: Runner, store: Store
) -> None:
    configure('[notify]\ngroup_interval = "15m"')
    failed = ["--event", "failed", "--level", "part", "--install", "acme-prod"]

    words = grouping_words(timedelta(minutes=15), has_thread=True)
    assert asked(run, *failed)["grouping"] == [f"in {DEFAULT}: {words}"]

    group = Group(DEFAULT, NOON + timedelta(minutes=5), ("rel-step-1/inl2",))
    root = release("executing", step(1, "executing", deploy("inl1", "error")), id="rel9")
    store.save(Observation(snapshot(root), state(groups=(group,)), b""))
    seen = ["--event", "failed", "--target", "rel9", "--install", "acme-prod"]
    open_words = grouped_words(group.ends_at, NOON, has_thread=True)
    (line,) = asked(run, *seen, "--at", "2025-12-01T12:01:00Z")["grouping"]
    assert line == f"in {DEFAULT}: {open_words}"


@pytest.mark.parametrize(
    ("event", "routes", "words"),
    [
        pytest.param("failed", "", budget(), id="a broadcast"),
        pytest.param(
            "failed",
            '[[route]]\nchannel = "#releases"\nmention = ["@here"]',
            budget(is_exempt=True),
            id="a failure that pings",
        ),
        pytest.param("progressed", "", None, id="a reply that notifies nobody"),
    ],
)
def test_it_says_when_it_is_told_together_with_others_in_the_daemons_words(
    run: Runner, store: Store, event: str, routes: str, words: str | None
) -> None:
    configure(routes)
    late = catch_up_words(timedelta(minutes=5), is_of_outage=False)

    (line,) = asked(run, "--event", event)["folding"]

    assert line == f"in #releases: {'; '.join(filter(None, (words, late)))}"
    assert folded_words("the headline of another")[:20] in late


def test_an_outage_that_is_over_in_time_is_said_to_be_dropped(run: Runner, store: Store) -> None:
    configure("")

    (line,) = asked(run, "--event", "unreachable")["folding"]

    assert line == f"in #releases: {catch_up_words(timedelta(minutes=5), is_of_outage=True)}"


def test_a_mention_that_pings_nobody_is_said_to(run: Runner, store: Store) -> None:
    configure('[[route]]\nchannel = "#all"\nmention = ["@here"]')

    assert "→ told in #all with @here, but progressed pings nobody" in lines_of(
        run("--event", "progressed")
    )
    assert "→ told in #all with @here" in lines_of(run("--event", "failed"))


def test_what_a_route_drops_is_told_to_nobody(run: Runner, store: Store) -> None:
    configure("[[route]]\ndrop = true")

    assert lines_of(run("--event", "failed"))[-1] == "→ nobody is told"


def test_what_quiet_hours_hold_says_until_when(run: Runner, store: Store) -> None:
    configure(ALWAYS_QUIET)

    shown = lines_of(run("--event", "failed"))

    assert shown[-1] == "→ held for the summary in #releases, until 2120-01-01 00:00 UTC"


def test_that_nothing_can_be_seen_is_told_in_quiet_hours_and_in_every_channel(
    run: Runner, store: Store
) -> None:
    further = '[[watch]]\nrelease = "rel1"\nchannel = "#payments"\n[[watch]]\napp = "app1"'
    configure(further, ALWAYS_QUIET)
    store.silences.add(
        {"kind": ("*",)}, until=NOW + timedelta(hours=1), author="anna", reason="known", now=NOW
    )

    for event in ("unreachable", "reachable"):
        page = asked(run, "--event", event)
        assert [one["destination"] for one in page["notified"]] == ["#payments", DEFAULT]
        assert page["held"] == []


def test_that_it_is_seen_again_goes_where_it_was_told_that_it_was_not(
    run: Runner, store: Store
) -> None:
    configure(ONCALL.replace("continue = true", "continue = false"))

    page = asked(run, "--event", "reachable")

    assert [one["destination"] for one in page["notified"]] == ["#oncall"]
    assert page["steps"][0] == "goes where unreachable went"


def test_a_watch_brings_its_channel_and_its_labels(run: Runner, store: Store) -> None:
    watch = (
        '[[watch]]\nrelease = "rel1"\nname = "pay"\nchannel = "#pay"\nlabels = { team = "core" }'
    )
    configure(watch, '[[watch]]\napp = "app1"')

    page = asked(run, "--event", "failed", "--watch", "pay", "--label", "tier=gold")

    assert page["notified"] == [
        {"destination": "#pay", "mentions": [], "routes": [], "pings": True}
    ]
    assert page["facts"] == {
        "watch": ["pay", "rel1"],
        "labels.team": ["core"],
        "labels.tier": ["gold"],
    }


def test_a_target_brings_the_facts_that_the_store_has_of_it(run: Runner, store: Store) -> None:
    configure('[[watch]]\nrelease = "rel1"\nname = "the shop"', ONCALL)

    page = asked(run, "--event", "failed", "--target", "rel", "--at", "2025-12-01T12:02Z")

    assert page["facts"] == {
        "kind": ["release", "install deploy"],
        "app": ["shop", "app1"],
        "component": ["checkout-api", "cmp1"],
        "install": ["acme-prod", "inl1"],
        "rollout": ["rel1"],
        "watch": ["the shop", "rel1"],
        "name": ["the shop"],
    }
    assert (page["level"], page["failed"], page["active_seconds"]) == ("part", 1, 120)
    assert page["notified_before"] == ["#oncall"]
    assert (
        page["steps"][0] == 'route 1 "on-call": matches, not told in #oncall again; looks further'
    )


def test_of_a_target_another_event_or_part_can_be_asked_about(run: Runner, store: Store) -> None:
    configure('[[watch]]\nrelease = "rel1"')

    whole = asked(run, "--event", "succeeded", "--target", "rel1")
    part = asked(run, "--event", "failed", "--target", "rel1", "--install", "inl2")

    assert (whole["level"], "install" in whole["facts"]) == ("rollout", False)
    assert (part["level"], part["facts"]["install"]) == ("part", ["inl2"])
    assert part["notified_before"] is None


def test_the_zone_of_a_time_may_be_named(run: Runner, store: Store) -> None:
    configure()

    assert [
        asked(run, "--event", "failed", "--at", at)["at"]
        for at in ("2026-12-24 18:00 Europe/Berlin", "2026-12-24T18:00+02:00")
    ] == ["2026-12-24T17:00:00+00:00", "2026-12-24T16:00:00+00:00"]


def test_a_time_without_a_zone_is_that_of_the_machine(
    run: Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()

    try:
        at = asked(run, "--event", "failed", "--at", "2026-12-24 18:00")["at"]
    finally:
        monkeypatch.undo()
        time.tzset()

    assert at == "2026-12-24T09:00:00+00:00"


def test_without_a_store_an_event_can_be_made_up(run: Runner) -> None:
    configure()

    shown = run("--event", "failed")

    assert shown.code == 0
    assert "told in the watch's own channel #releases" in shown.out
    assert shown.err == (
        "nuon-monitor: without silences and names: no store yet at nuon-monitor.db:"
        " has nuon-monitor run?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("--event failed --watch nix", 2, "No [[watch]] is nix: there are app1"),
        ("--event failed --target zzz", 1, "nothing is known of zzz: known are rel1"),
        ("--event failed --target rel1 --install x", 2, "there are acme-prod and inl2"),
        ("--event waiting --target rel1 --level part", 2, "Say of which part: --install NAME"),
        ("--event failed --at tomorrow", 2, "tomorrow is no date and time such as"),
        ("--event failed --at '2026-12-24 18:00 Mars/Base'", 2, "is no date and time such as"),
        ("--event failed --lasting long", 2, "long is no duration such as 90s"),
        ("--event failed --label core", 2, "core is not of the form team=core"),
        ("--event fialed", 2, "'fialed' is not one of 'started'"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_type(
    run: Runner, store: Store, arguments: str, code: int, said: str
) -> None:
    configure()

    shown = run(*shlex.split(arguments))

    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    assert said in shown.err


def test_a_webhook_is_named_and_its_address_never_shown(run: Runner, store: Store) -> None:
    secret = "https://hooks.slack.com/services/T0/B0/s3cret"
    configure(f'[[route]]\nname = "vendor"\nwebhook_url = "{secret}"')

    shown = run("--event", "failed")

    assert "→ told in webhook of route vendor" in lines_of(shown)
    assert "s3cret" not in shown.out


def test_foreign_words_stay_harmless(run: Runner, store: Store) -> None:
    configure()

    shown = run("--event", "failed", "--name", "acme \x1b[31mred\x07\nforged \u202egnp.exe")

    assert "name: acme red forged gnp.exe" in shown.out
    assert all(sign.isprintable() for sign in shown.out.replace("\n", ""))


def test_every_field_of_the_json_is_documented(run: Runner, store: Store) -> None:
    failed = ("--event", "failed", "--install", "acme-prod")
    configure(ONCALL, ALWAYS_QUIET)
    pages = [asked(run, *failed), asked(run, "--event", "unreachable")]
    until = NOW + timedelta(hours=1)
    store.silences.add({"kind": ("*",)}, until=until, author="anna", reason="known", now=NOW)
    pages.append(asked(run, *failed))

    document = (Path(__file__).parents[3] / "docs" / "json.md").read_text("utf-8")
    _, _, section = document.partition("## `nuon-monitor route test --json`")
    documented = set(re.findall(r"^\| `([^`]+)` \|", section.partition("\n## ")[0], re.MULTILINE))

    assert {field for page in pages for field in fields(page)} == documented


def fields(page: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, value in page.items():
        yield f"{before}{key}"
        if isinstance(value, dict) and key != "facts":
            yield from fields(value, f"{before}{key}.")
        for one in value if isinstance(value, list) else ():
            if isinstance(one, dict):
                yield from fields(one, f"{before}{key}[].")


# once --dry-run, and test-notification


async def test_a_dry_run_says_of_each_message_why_it_goes_where_it_goes(tmp_path: Path) -> None:
    routes = (
        f'[[route]]\nname = "on-call"\nevents = ["failed"]\nchannel = "#{CHANNEL}"\n'
        'mention = ["@here"]\n'
    )
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("already-failed"), more=routes)

        shown = await world.command("once", "--dry-run")

        assert (shown.code, shown.err) == (0, "")
        assert (
            "failed of the release, step 2 and soylent-staging: "
            'route 1 "on-call": matches, told in #releases with @here; looks no further'
        ) in " ".join(shown.out.split())
        assert "Not told now" not in shown.out
        assert world.channel.posts == []


async def test_a_dry_run_shows_what_quiet_hours_would_hold(tmp_path: Path) -> None:
    async with a_live_world(tmp_path) as world:
        world.write(world.platform.add("already-failed"), more=ALWAYS_QUIET)

        shown = await world.command("once", "--dry-run")

        assert (shown.code, shown.err) == (0, "")
        _, _, kept = shown.out.partition("Not told now:\n")
        assert "failed of the release" in kept
        assert "→ held for the summary in #releases, until 2120-01-01 00:00 UTC" in kept
        # Its card is edited quietly, whatever the hour.
        assert "a card stands where the start is told, at whatever hour" in shown.out


async def test_a_test_notification_goes_to_every_sink_that_anything_leads_to(
    tmp_path: Path,
) -> None:
    async with a_live_world(tmp_path) as world:
        for name in ("oncall", "digests"):
            world.slack.add_channel(name)
        more = (
            f'[[route]]\nname = "vendor"\nwebhook_url = "{world.slack.webhook_url}"\n'
            '[[route]]\nchannel = "#oncall"\n[[digest]]\nchannel = "#digests"\n'
        )
        world.write("rel1", more=more)

        shown = await world.command("test-notification")

        assert shown == Result(
            0,
            "✓ #releases: sent\n✓ webhook of route vendor: sent\n"
            "✓ #oncall: sent\n✓ #digests: sent\n",
            "",
        )
        assert len(world.slack.channel("digests").posts) == 1
