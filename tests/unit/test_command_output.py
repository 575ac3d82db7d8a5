"""What the commands look like: legible on every terminal, and nothing lost on a narrow one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from monitor.cli import main
from monitor.kinds.parts import WORKFLOW, WORKFLOW_STEP
from monitor.kinds.workflow import STEP_GROUP
from monitor.model import (
    Alert,
    Alteration,
    Entity,
    EventKind,
    Form,
    Level,
    Message,
    Notification,
    Outage,
    Reason,
    ReasonKind,
    Snapshot,
    Target,
    TargetState,
    Transition,
)
from monitor.store import Find, Name, Observation, Store
from tests.support.builders import deploy, release, step
from tests.support.configuration import configuration
from tests.support.processes import Result, clean_environment, in_terminal

ROOT = str(Path(__file__).parent.parent.parent)
DOCUMENTED = Path(ROOT) / "docs" / "json.md"
BILLING = "relb8f2k5n9q1s4v7y0c3e6h8j1"
CHECKOUT = "relc3x6z9a2d5g8j1m4p7r0t3w6"
LEDGER = "rell1n4q7s0u3w6y9b2e5h8k1m4"
SEARCH = "inws7w0y3b6d9f2h5k8n1q4t7v0"
SHOP = "app5s8v1x4z7b0d3f6h9k2m5p8r"
CONFIG = configuration(
    f'[[watch]]\nrelease = "{BILLING}"',
    f'[[watch]]\nrelease = "{CHECKOUT}"\nname = "Checkout"\nlabels = {{ team = "payments" }}',
    f'[[watch]]\nrelease = "{LEDGER}"',
    f'[[watch]]\nworkflow = "{SEARCH}"',
    '[[watch]]\nrelease = "relnever0seen0yet00000000a1"',
    f'[[watch]]\napp = "{SHOP}"',
)


@dataclass
class Made:
    """A made-up store, opened as a daemon has it, and the time that it is told by."""

    store: Store
    now: datetime

    def ago(self, **since: float) -> datetime:
        return self.now - timedelta(**since)

    def save(
        self,
        kind: str,
        root: Entity,
        state: TargetState,
        *transitions: Transition,
        told: tuple[Notification, ...] = (),
        facts: tuple[Alteration, ...] = (),
        at: datetime | None = None,
    ) -> None:
        seen = Snapshot(Target(kind, root.id), at or self.now, root)
        self.store.save(
            Observation(seen, state, b"1", transitions, notifications=told, alterations=facts)
        )


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUON_MONITOR_CONFIG", str(tmp_path / "monitor.toml"))
    (tmp_path / "monitor.toml").write_text(CONFIG)
    now = datetime.now(UTC)
    with Store.open("sqlite:///nuon-monitor.db", now=now) as store:
        yield Made(store, now)


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def command(*arguments: str, columns: int | None = None) -> Result:
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return command


def a_busy_morning(made: Made) -> None:
    """Let the store know of one of each: failed, hanging, waiting, under way, done, blind."""
    store, now = made.store, made.now
    store.names.save({"inl-acme": Name("acme-prod"), "inl-beta": Name("beta-eu")}, now)
    failed = deploy("inl-acme", "error", "helm upgrade timed out after 10m0s")
    made.save(
        "release",
        release(
            "error",
            step(1, "active", deploy("inl-one"), deploy("inl-two")),
            step(2, "error", failed, deploy("inl-beta")),
            id=BILLING,
            name="billing",
        ),
        TargetState(
            made.ago(minutes=5),
            alerts=(alert("rel-step-2/inl-acme", EventKind.FAILED, made.ago(minutes=5), failed),),
            ended=EventKind.FAILED,
            ended_at=made.ago(minutes=5),
        ),
    )
    made.save(
        "release",
        release(
            "executing_release_steps",
            step(1, "polling_install_deploys", deploy("inl-acme"), deploy("inl-beta", "executing")),
            step(2, "queued", planned=("inl-one", "inl-two")),
            id=CHECKOUT,
            name="checkout-api",
        ),
        TargetState(made.ago(seconds=40), has_card=True),
    )
    made.save(
        "release",
        release("active", step(1, "active", deploy("inl-acme")), id=LEDGER, name="ledger"),
        TargetState(made.ago(days=3), ended=EventKind.SUCCEEDED, ended_at=made.ago(days=3)),
    )
    waiting = Entity(WORKFLOW_STEP, "iws1", "approval-awaiting", name="sync and plan search")
    made.save(
        "workflow",
        Entity(
            WORKFLOW,
            SEARCH,
            "in-progress",
            name="deploy of components search",
            children=(Entity(STEP_GROUP, "group", "in-progress", children=(waiting,)),),
        ),
        TargetState(
            made.ago(minutes=12),
            alerts=(alert("group/iws1", EventKind.WAITING, made.ago(minutes=12), waiting),),
        ),
    )
    hung = Alert(
        "rel-found-3",
        EventKind.STALLED,
        made.ago(hours=2),
        made.now,
        Reason(ReasonKind.QUIET),
    )
    finds = []
    for number, (state, status) in enumerate(
        [
            (ended(made, days=9), "active"),
            (ended(made, days=2), "active"),
            (TargetState(made.ago(hours=2), alerts=(hung,)), "executing_release_steps"),
        ],
        start=1,
    ):
        step_status = "polling_install_deploys" if number == 3 else "active"
        root = release(
            status,
            step(1, step_status, deploy("inl-acme", "executing" if number == 3 else "active")),
            id=f"rel-found-{number}",
            name="shop",
        )
        made.save("release", root, state)
        finds.append(Find(Target("release", root.id), Target("app", SHOP), True, number == 3))
    store.finds.follow(finds, now)
    unreachable = Outage(EventKind.UNREACHABLE, made.ago(minutes=3), "503 Service Unavailable")
    store.outages.save(f"release/{CHECKOUT}", unreachable, now=now)


def ended(made: Made, **since: float) -> TargetState:
    at = made.ago(**since)
    return TargetState(at, ended=EventKind.SUCCEEDED, ended_at=at)


def alert(alert_key: str, kind: EventKind, since: datetime, of: Entity) -> Alert:
    return Alert(alert_key, kind, since, since, Reason(description=of.description))


def lines_of(shown: str) -> list[str]:
    """Return the lines of a table; a slow machine draws it some seconds later."""
    return [re.sub(r"\b4\d s ago", "40 s ago", line.rstrip()) for line in shown.splitlines()]


# status


AT_80_COLUMNS = """\
 IN TROUBLE 3
✗  Checkout                    1/4  is running: 1 of 4 installs done    40 s ago
   unreachable for 3 min: 503 Service Unavailable
   release relc3x6z9a2d5g8j1m4p7r0t3w6
✗  billing                     3/4  failed: 1 of 4 installs            5 min ago
   acme-prod failed for 5 min: helm upgrade timed out after 10m0s
   release relb8f2k5n9q1s4v7y0c3e6h8j1
✗  shop                        0/1  has stalled                          2 h ago
   the release stalled for 2 h: no change for too long
   release rel-found-3

 WAITING 1
◆  deploy of components        0/1  needs approval                    12 min ago
   search
   sync and plan search waiting for 12 min
   workflow inws7w0y3b6d9f2h5k8n1q4t7v0

 NOT SEEN 1
·  release relneve…                 not seen yet
   release relnever0seen0yet00000000a1

 ENDED 1
✓  ledger                      1/1  is on its install                    3 d ago
   release rell1n4q7s0u3w6y9b2e5h8k1m4

+ 2 settled over a day ago; --all shows them
8 watched: 3 in trouble, 1 waiting, 1 not seen, 3 ended.
"""
AT_160_COLUMNS = """\
 IN TROUBLE 3
✗  Checkout                     release relc3x6z9a2d5g8j1m4p7r0t3w6   ▓▓░░░░░░░░  1/4  is running: 1 of 4 installs done{0}40 s ago
   unreachable for 3 min: 503 Service Unavailable
✗  billing                      release relb8f2k5n9q1s4v7y0c3e6h8j1   ▓▓▓▓▓▓▓░░░  3/4  failed: 1 of 4 installs{0}5 min ago
   acme-prod failed for 5 min: helm upgrade timed out after 10m0s
✗  shop                         release rel-found-3                   ░░░░░░░░░░  0/1  has stalled{0}2 h ago
   the release stalled for 2 h: no change for too long

 WAITING 1
◆  deploy of components search  workflow inws7w0y3b6d9f2h5k8n1q4t7v0  ░░░░░░░░░░  0/1  needs approval{0}12 min ago
   sync and plan search waiting for 12 min

 NOT SEEN 1
·  release relneve…             release relnever0seen0yet00000000a1                    not seen yet

 ENDED 1
✓  ledger                       release rell1n4q7s0u3w6y9b2e5h8k1m4   ▓▓▓▓▓▓▓▓▓▓  1/1  is on its install{0}3 d ago

+ 2 settled over a day ago; --all shows them
8 watched: 3 in trouble, 1 waiting, 1 not seen, 3 ended.
"""  # noqa: E501 - as wide as it is


def test_status_at_80_columns(made: Made, run: Run) -> None:
    a_busy_morning(made)

    shown = run("status", columns=80)

    assert lines_of(shown.out) == AT_80_COLUMNS.splitlines()


def test_status_at_160_columns(made: Made, run: Run) -> None:
    a_busy_morning(made)

    shown = run("status", columns=160)

    # How long ago each changed stands at the right edge.
    at_the_edge = re.compile(r" {3,}(\d+ \w+ ago)$", re.MULTILINE)
    expected = at_the_edge.sub(r"{0}\1", "\n".join(lines_of(shown.out)) + "\n")
    assert expected == AT_160_COLUMNS
    assert {cell_len(line) for line in lines_of(shown.out) if line.endswith("ago")} == {160}


def test_what_was_found_and_settled_long_ago_is_shown_when_it_is_asked_for(
    made: Made, run: Run
) -> None:
    a_busy_morning(made)

    shown = run("status", "--all", columns=160)

    assert "rel-found-1" in shown.out
    assert "rel-found-2" in shown.out
    assert "settled over a day ago" not in shown.out


def test_a_list_that_led_to_nothing_is_not_forgotten(made: Made, run: Run) -> None:
    shown = run("status", columns=160)

    assert f"app {SHOP}" in shown.out
    assert "nothing found yet" in shown.out


def test_a_pipe_gets_whole_ids_and_no_escapes(made: Made, run: Run) -> None:
    a_busy_morning(made)

    shown = run("status")

    assert "\x1b" not in shown.out
    (billing,) = [line for line in lines_of(shown.out) if BILLING in line]
    assert "billing" in billing
    assert "5 min ago" in billing


def test_colours_are_there_on_a_pipe_that_wants_them_and_never_vanish(
    made: Made, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_busy_morning(made)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")

    shown = run("status", columns=80)

    codes = {
        int(c) for found in re.findall(r"\x1b\[([\d;]+)m", shown.out) for c in found.split(";")
    }
    # Bold, dim, reverse; red, green, magenta: legible on dark and on light.
    assert {31, 35} < codes <= {0, 1, 2, 7, 31, 32, 35}


async def test_status_is_printed_again_when_something_changed(made: Made) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor", "status", "--watch"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(NUON_MONITOR_CONFIG="monitor.toml", PYTHONPATH=ROOT),
    )
    assert process.stdout is not None
    first = await process.stdout.readuntil(b"watched")
    a_busy_morning(made)
    second = await process.stdout.readuntil(b"IN TROUBLE 3")
    process.send_signal(signal.SIGINT)
    rest, err = await process.communicate()

    assert b"NOT SEEN 6" in first
    assert b"\x1b" not in first + second + rest
    assert (process.returncode, err.count(b"\n")) == (0, 1)
    assert b"configuration: monitor.toml, from NUON_MONITOR_CONFIG" in err


async def test_status_is_drawn_in_place_in_a_terminal_until_it_is_interrupted(made: Made) -> None:
    a_busy_morning(made)

    with in_terminal(
        "status", "--watch", NUON_MONITOR_CONFIG="monitor.toml", LINES="60"
    ) as terminal:
        await terminal.until(lambda drawn: drawn.count(b"until Ctrl-C") >= 2)
        terminal.interrupt()
        code = await terminal.end()

    assert code == 0
    assert b"\x1b[1A" in terminal.written  # the cursor goes up, and is shown again in the end
    assert terminal.written.rstrip().endswith(b"\x1b[?25h")


def test_status_cannot_be_watched_as_json(made: Made, run: Run) -> None:
    refused = run("status", "--watch", "--json")

    assert refused.code == 2
    assert "leave out --watch" in refused.err


# history


def a_healed_one(made: Made) -> None:
    """Let the store know of a release that failed, and of a newer one that succeeded."""
    for minutes, identifier, status, end in (
        (60, LEDGER, "error", EventKind.FAILED),
        (30, "rel-newer", "active", EventKind.SUCCEEDED),
    ):
        at = made.ago(minutes=minutes)
        root = release(status, id=identifier, name="ledger", created_at=at)
        made.save("release", root, TargetState(at, ended=end, ended_at=at))


def a_diary(made: Made) -> None:
    store, at = made.store, datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
    store.names.save({"inl-acme": Name("acme-prod"), "inl-beta": Name("beta-eu")}, made.now)
    acme, beta = deploy("inl-acme", "error", "helm upgrade timed out"), deploy("inl-beta")
    root = release("error", step(1, "error", acme, beta), id=BILLING, name="billing")
    one = step(1, "polling_install_deploys")
    made.save(
        "release",
        root,
        TargetState(at),
        Transition(Level.STEP, one, "queued", "creating_install_deploys"),
        Transition(Level.STEP, one, "creating_install_deploys", "polling_install_deploys"),
        Transition(Level.UNIT, acme, None, "executing"),
        Transition(Level.UNIT, beta, None, "executing"),
        facts=(Alteration(Level.ROLLOUT, root, "commit_message", "Fix", "Fix it"),),
        at=at,
    )
    made.save(
        "release",
        root,
        TargetState(at),
        Transition(Level.UNIT, acme, "executing", "error", acme.description),
        told=(told("release/1/reply/1", Form.REPLY, "✗ acme-prod failed"),),
        at=at + timedelta(minutes=3),
    )
    made.save(
        "release",
        root,
        TargetState(at, attempt=2),
        Transition(Level.ROLLOUT, root, "error", "provisioning"),
        told=(told("release/2/card", Form.CARD, "🔵 billing has begun again"),),
        at=at + timedelta(days=1),
    )
    first, second = (queued.id for queued in store.outbox.unsent())
    store.outbox.mark_sent(first, now=at, channel_id="C1", ts="1.0", shown=None)
    store.outbox.set_aside(second, now=at, error="the channel is archived")


def told(key: str, form: Form, text: str) -> Notification:
    target = Target("release", BILLING)
    return Notification(key, "#releases", form, Message(text), target, events=(EventKind.FAILED,))


DIARY = """\
Monday, 2 March 2026, UTC
  14:00:00  step 1 began  queued → creating_install_deploys → polling_install_deploys
            acme-prod and beta-eu began  executing
            the release has another commit message: Fix it
  14:03:00  acme-prod failed: helm upgrade timed out  executing → error
            ✉ #releases reply  ✗ acme-prod failed

Tuesday, 3 March 2026, UTC
            Attempt 2
  14:00:00  the release began again  error → provisioning
            ✉ #releases card  🔵 billing has begun again
              set aside, `nuon-monitor outbox retry` sends it again: the channel is archived

"""


@pytest.mark.parametrize("columns", [100, 160])
def test_history_tells_what_happened_in_plain_words(made: Made, run: Run, columns: int) -> None:
    a_diary(made)

    assert lines_of(run("history", BILLING, columns=columns).out) == DIARY.splitlines()


def test_the_beginning_of_an_id_is_enough(made: Made, run: Run) -> None:
    a_diary(made)

    assert run("history", BILLING[:5]).out == run("history", BILLING).out


def test_a_beginning_that_several_share_names_them(made: Made, run: Run) -> None:
    a_busy_morning(made)

    said = run("history", "rel-found")

    assert said.code == 1
    assert "3 begin with rel-found: rel-found-1, rel-found-2 and rel-found-3" in said.err


def test_history_can_be_limited_to_the_newest(made: Made, run: Run) -> None:
    a_diary(made)

    lines = lines_of(run("history", BILLING, "--limit", "2", columns=100).out)

    assert lines[0] == "… 7 before these; a larger --limit shows them"
    assert lines[2] == "Tuesday, 3 March 2026, UTC"


# --json


def documented(heading: str) -> dict[str, str]:
    """Return the fields that a section of the document names, with their types."""
    text = DOCUMENTED.read_text("utf-8")
    section = text.partition(f"## `nuon-monitor {heading} --json`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.MULTILINE)
    return {field: its.strip() for field, its in rows}


def found(page: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field of a document with its value, `*` for the keys that are data."""
    if isinstance(page, list):
        for one in page:
            if isinstance(one, dict):
                yield from found(one, f"{path}[]")
    elif isinstance(page, dict):
        for key, value in page.items():
            field = f"{path}.{'*' if path == 'outages' else key}".removeprefix(".")
            if "*" not in field or field.count(".") > 1:
                yield field, value
            if field != "watches[].labels":
                yield from found(value, field)


def is_of_type(value: Any, its: str) -> bool:
    kinds: dict[str, Callable[[Any], bool]] = {
        "text": lambda v: isinstance(v, str),
        "number": lambda v: type(v) is int,
        "list": lambda v: isinstance(v, list),
        "table": lambda v: isinstance(v, dict),
        "null": lambda v: v is None,
        "time": lambda v: isinstance(v, str) and datetime.fromisoformat(v).utcoffset() is not None,
        "true": lambda v: v is True,
        "false": lambda v: v is False,
    }
    return any(kinds[kind](value) for kind in its.split(" or "))


@pytest.mark.parametrize("arguments", ["status", "history ID", "outbox"])
def test_the_documented_fields_are_those_that_come_out(
    made: Made, run: Run, arguments: str
) -> None:
    a_busy_morning(made)
    a_diary(made)
    a_healed_one(made)

    shown = run(*arguments.replace("ID", BILLING).split(), "--json")

    fields = list(found(json.loads(shown.out)))
    types = documented(arguments)
    assert {field for field, _ in fields} == types.keys()
    assert [one for one in fields if not is_of_type(one[1], types[one[0]])] == []


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_in_every_shell(shell: str) -> None:
    script = completed(_NUON_MONITOR_COMPLETE=f"{shell}_source")

    assert f"_NUON_MONITOR_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize("name", ["history", "wait"])
def test_ids_are_completed_from_the_store(made: Made, name: str) -> None:
    a_busy_morning(made)

    words = completed(
        _NUON_MONITOR_COMPLETE="bash_complete",
        COMP_WORDS=f"nuon-monitor {name} relb",
        COMP_CWORD="2",
        NUON_MONITOR_CONFIG="monitor.toml",
    )

    assert words.split() == [f"plain,{BILLING}"]


def test_without_a_store_nothing_is_completed(tmp_path: Path) -> None:
    words = completed(
        _NUON_MONITOR_COMPLETE="bash_complete",
        COMP_WORDS="nuon-monitor history rel",
        COMP_CWORD="2",
        NUON_MONITOR_CONFIG=str(tmp_path / "missing.toml"),
    )

    assert words.split() == []


def completed(**environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "monitor"],
        check=True,
        capture_output=True,
        text=True,
        env=clean_environment(PYTHONPATH=ROOT, **environment),
    )
    assert ended.stderr == ""
    return ended.stdout
