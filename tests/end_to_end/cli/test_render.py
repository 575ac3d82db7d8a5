"""`nuon-monitor render`: how messages will look, without a platform and without Slack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from monitor.kinds import KINDS
from monitor.model import Alert, EventKind, Message, Reason
from monitor.store import Name, Observation, Store
from tests.support.block_kit import complaints
from tests.support.builders import after, deploy, release, snapshot, state, step
from tests.support.commands import Runner
from tests.support.configuration import configuration
from tests.support.processes import Result

NOW = datetime.now(UTC)
CONFIG = configuration(
    '[[watch]]\nrelease = "rel1"\nlabels = { team = "core" }\n',
    slack={"api_url": "http://127.0.0.1:9/api/"},
)
ONCALL = """
[[route]]
events = ["failed", "stalled"]
channel = "#oncall"
mention = ["@here", "U024BE7LH", "started_by"]
lasting = "5m"
continue = true
"""
OUTAGE_EVENTS = {"unreachable", "reachable", "removed"}
OF_ROLLOUTS = {"started", "progressed", "waiting", "stalled", "failed", "recovered", "succeeded"}
OF_WHICH = {
    "release": OF_ROLLOUTS,
    "run": OF_ROLLOUTS,
    "workflow": OF_ROLLOUTS,
    "change": OF_ROLLOUTS - {"progressed"},
    "installer": {"started", "progressed", "failed", "recovered"},
    "approvals": {"started", "progressed", "waiting"},
}


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Runner:
    """Run `nuon-monitor render` in this process, in a folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    configure()
    return Runner(capsys, "render", file="monitor.toml")


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of which one install failed and one waits, and one that is done."""
    file = tmp_path_factory.mktemp("store") / "first.db"
    units = (deploy("inl1", "error", "helm timed out"), deploy("inl2", "pending-approval"))
    root = release("executing", step(1, "executing", *units), id="rel1", component_id="cmp1")
    done = release("active", step(1, "active", deploy("inl1")), id="reldone", updated_at=after(9))
    alerts = (
        Alert("rel-step-1/inl1", EventKind.FAILED, NOW, NOW, Reason(description="helm timed out")),
        Alert("rel-step-1/inl2", EventKind.WAITING, NOW, NOW),
    )
    ended = state(ended=EventKind.SUCCEEDED, ended_at=NOW)
    with Store.open(f"sqlite:///{file}", now=NOW) as store:
        store.save(Observation(snapshot(root, NOW), state(alerts=alerts), b""))
        store.save(Observation(snapshot(done, NOW), ended, b""))
        store.names.save({"inl1": Name("acme-prod"), "inl2": Name("globex-eu")}, NOW)
    return file


@pytest.fixture
def store(run: Runner, first_store: Path) -> Iterator[Store]:
    shutil.copy(first_store, "nuon-monitor.db")
    with Store.open_beside("sqlite:///nuon-monitor.db") as opened:
        yield opened


def configure(more: str = "") -> None:
    Path("monitor.toml").write_text(CONFIG + more, encoding="utf-8")


def drawn(shown: Result) -> str:
    assert (shown.code, shown.err) == (0, "")
    return shown.out


def headings(shown: Result) -> list[str]:
    """Return the words before each line that is drawn across the terminal."""
    return [line.split(" ──")[0] for line in drawn(shown).splitlines() if line.endswith("───")]


def messages(shown: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(drawn(shown))
    assert all(list(one) == ["to", "form", "text", "blocks"] for one in found)
    return found


def refused(shown: Result, code: int) -> str:
    assert (shown.code, shown.out, shown.err.count("\n")) == (code, "", 1)
    return shown.err


# Samples


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_sample_of_every_event_that_a_kind_can_have(run: Runner, kind: str) -> None:
    for event in sorted(OF_WHICH[kind] | OUTAGE_EVENTS):
        found = messages(run("--sample", event, "--kind", kind, "--json"))

        assert found
        for one in found:
            assert complaints(Message(one["text"], tuple(one["blocks"]))) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("digest", "📋 3 rollouts this week: 1 succeeded, 1 failed, 1 running; 1 still failing"),
        ("summary", "❌ Quiet hours “nights” are over: 1 still in trouble: checkout-api"),
        ("refused", "⚠️ Can't post to #releases: the channel is archived"),
    ],
)
def test_what_is_sent_beside_events_has_a_sample_too(run: Runner, name: str, sentence: str) -> None:
    (found,) = messages(run("--sample", name, "--json"))

    assert (found["to"], found["form"], found["text"]) == (["#releases"], "message", sentence)
    assert complaints(Message(found["text"], tuple(found["blocks"]))) == []
    assert f"text: {sentence}" in drawn(run("--sample", name))


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_a_kind_never_has_there_is_no_sample(run: Runner, kind: str) -> None:
    for event in sorted(OF_ROLLOUTS - OF_WHICH[kind]):
        said = refused(run("--sample", event, "--kind", kind), 2)

        assert f"--sample {event} does not apply to {kind}; choose started" in said


def test_a_sample_is_a_card_and_what_is_told_in_its_thread(run: Runner) -> None:
    shown = run("--sample", "failed")

    assert headings(shown) == ["#releases · the card", "#releases · reply in the card's thread"]
    assert "❌ checkout-api: 1 of 6 installs failed, still running" in shown.out
    assert shown.out.count("❌ globex-prod failed") == 2
    assert shown.out.count("▎ helm upgrade timed out after 10m0s") == 2


def test_the_sentence_that_a_phone_shows_stands_above_each_message(run: Runner) -> None:
    shown = run("--sample", "succeeded")

    assert "text: ✅ checkout-api is on all 6 installs\n" in shown.out
    assert "text: ✅ checkout-api is on all 6 installs, after 23 min\n" in shown.out


def test_what_one_poll_brings_is_told_in_one_reply(run: Runner) -> None:
    shown = drawn(run("--sample", "progressed"))

    assert shown.count("reply in the card's thread") == 1
    assert "✅ step 1 of 2 done (3 installs, 6 min)" in shown
    assert "step 2 of 2 started" in shown


def test_through_a_webhook_a_message_stands_alone(run: Runner) -> None:
    shown = run("--sample", "failed", "--webhook")

    assert headings(shown) == ["#releases"]
    assert "4 of 6 installs done · 1 failed" in shown.out


def test_a_webhook_is_not_drawn_as_a_channel_with_cards(run: Runner) -> None:
    url = "http://127.0.0.1:9/services/s3cret"
    configure(f'[[route]]\nname = "vendor"\nwebhook_url = "{url}"')

    shown = run("--sample", "failed")

    assert headings(shown) == ["webhook of route vendor"]
    assert "s3cret" not in shown.out


def test_what_a_webhook_is_not_sent_is_said(run: Runner) -> None:
    shown = drawn(run("--sample", "progressed", "--webhook"))

    assert shown == "Nothing is sent now: through a webhook it is part of the next message.\n"


def test_that_nothing_can_be_seen_is_shown_for_every_channel(run: Runner) -> None:
    configure('[[watch]]\napp = "app1"\nchannel = "#apps"\n')

    assert headings(run("--sample", "unreachable")) == ["#releases, #apps"]


# The user's own words


def test_a_route_adds_its_mentions_and_its_channel(run: Runner) -> None:
    configure(ONCALL)

    shown = run("--sample", "stalled")

    assert headings(shown)[-1] == "#oncall"
    assert "@here @U024BE7LH" in shown.out


def test_templates_word_the_card(run: Runner) -> None:
    configure('[templates]\ntitle = "{{ component }} of {{ labels.team }}"\n')

    assert "❌ checkout-api of core: 1 of 6 installs failed" in drawn(run("--sample", "failed"))


def test_a_silence_is_said_on_the_card(run: Runner, store: Store) -> None:
    until = NOW + timedelta(hours=2)
    store.silences.add({"name": ("*",)}, until=until, author="anna", reason="upgrade", now=NOW)

    assert f"silenced until {until:%H:%M} UTC by anna: upgrade" in drawn(run("rel1"))


# What was seen


def test_of_a_target_its_card_and_each_trouble_that_stands_are_shown(
    run: Runner, store: Store
) -> None:
    shown = run("rel1")

    reply = "#releases · reply in the card's thread"
    assert headings(shown) == ["#releases · the card", reply, reply]
    assert shown.out.count("❌ acme-prod failed") == 2
    assert shown.out.count("▎ helm timed out") == 2
    assert shown.out.count("✋ globex-eu needs approval") == 2


def test_of_what_is_well_the_end_is_shown(run: Runner, store: Store) -> None:
    shown = run("reld")

    assert headings(shown) == ["#releases · the card", "#releases · reply in the card's thread"]
    assert shown.out.count("\n✅ checkout-api is on its install") == 2


def test_nothing_is_written(run: Runner, store: Store) -> None:
    run("rel1")

    assert store.outbox.unsent() == ()
    assert store.cards.posted(snapshot(release(id="rel1")).target, 1) == {}


def test_json_is_a_list_of_messages_with_their_destinations_and_texts(
    run: Runner, store: Store
) -> None:
    card, *replies = messages(run("rel1", "--json"))

    assert (card["to"], card["form"]) == (["#releases"], "card")
    assert [(one["to"], one["form"]) for one in replies] == [(["#releases"], "reply")] * 2
    assert replies[0]["text"].startswith("❌ checkout-api failed on acme-prod: helm timed out")
    for one in (card, *replies):
        found = one["blocks"]
        assert [block.to_dict() for block in Block.parse_all(found)] == found


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Specify an ID that has been polled, or --sample EVENT"),
        (("rel1", "--sample", "failed"), 2, "Specify an ID"),
        (("rel1", "--kind", "run"), 2, "add --sample failed"),
        (("rel",), 1, "2 begin with rel: rel1 and reldone; give more of the ID"),
        (("zzz",), 1, "nothing is known of zzz: known are rel1 and reldone"),
        (("--sample", "fialed"), 2, "'fialed' is not one of 'started'"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_type(
    run: Runner, store: Store, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in refused(run(*arguments), code)


def test_without_a_store_a_target_cannot_be_shown_but_a_sample_can(run: Runner) -> None:
    assert "no store yet" in refused(run("rel1"), 1)
    assert drawn(run("--sample", "failed"))
