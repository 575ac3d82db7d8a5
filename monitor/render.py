"""Snapshots and events → Slack messages. Pure: the same values draw the same message.

All that comes from the platform is foreign: it is shown only in a header and in the `text`
elements of rich text, where Slack interprets nothing, so that it cannot ping, link or
format. Every message stays within Slack's limits whatever it is drawn from.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote

from monitor import rollout
from monitor.model import (
    Alert,
    Entity,
    Event,
    EventKind,
    Level,
    Memory,
    Message,
    Phase,
    Snapshot,
    Stall,
)
from monitor.text import (
    counted,
    duration_words,
    join_names,
    mrkdwn_escape,
    short_id,
)
from monitor.text import (
    plain as visible,
)

# https://docs.slack.dev/reference/block-kit/blocks: 150 characters in a header. All blocks
# together are refused above some 13,200 characters, which is written down nowhere.
HEADER_LIMIT = 150
BLOCKS_LIMIT = 12_000
TEXT_LIMIT = 3_000
_URL_LIMIT = 500
_TITLE_LIMIT = 75
_WORD_LIMIT = 40
_MOST_NAMES_WANTED = 40
_STEP_LINES = 10

_Element = dict[str, Any]
_Line = tuple[_Element, ...]
_Section = Sequence[_Line]


@dataclass(frozen=True, slots=True)
class Links:
    """Pages of the platform's dashboard, for people."""

    dashboard_url: str
    org_id: str

    def install(self, install_id: str) -> str:
        return self._page("installs", install_id)

    def workflow(self, install_id: str, workflow_id: str) -> str:
        return self._page("installs", install_id, "workflows", workflow_id)

    def releases(self) -> str:
        return self._page("releases")

    def _page(self, *segments: str) -> str:
        quoted = (quote(segment, safe="", errors="replace") for segment in (self.org_id, *segments))
        return "/".join((self.dashboard_url.rstrip("/"), *quoted))


@dataclass(frozen=True)
class View:
    """What a message is drawn from.

    `title` is the watch's own name. `names` are those of installs and components by their
    ids and may lack any. `previous_url` leads to the card of the attempt before.
    """

    snapshot: Snapshot
    memory: Memory
    links: Links
    title: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    previous_url: str | None = None

    @cached_property
    def stages(self) -> tuple[rollout.Stage, ...]:
        """The steps, worked out once for all that is drawn from this view."""
        return rollout.stages_of(self.snapshot.root)


def card(view: View) -> Message:
    """Draw how a rollout stands."""
    picture = _look(view)
    troubles = _troubles(picture)
    return _fitting(
        lambda room: _message(
            _headline(picture),
            [
                _facts(picture),
                _step_lines(picture, room),
                _lines_of(picture, troubles, room),
            ],
            _footer(picture),
        )
    )


def reply(view: View, events: Sequence[Event]) -> Message:
    """Draw what one poll brought, for the card's thread: it names those events only."""
    picture = _look(view)
    news = _news(picture, events)
    # The thread says what it is about, a push notification does not.
    is_named = any(one.subject == picture.title for one in news[:1])
    lead = [] if is_named else [_line(picture.title)]
    return _fitting(lambda room: _reply(lead, _lines_of(picture, news, room)))


def standalone(view: View, events: Sequence[Event]) -> Message:
    """Draw what happened and how it stands, complete without any other message."""
    picture = _look(view)
    # How it began and how it ended is what the headline says.
    beside = [event for event in events if not _is_headline(event, picture.root)]
    news = _news(picture, beside)
    troubles = _troubles(picture, told={event.entity.id for event in beside})
    return _fitting(
        lambda room: _message(
            _headline(picture),
            [
                _lines_of(picture, news, room),
                _facts(picture),
                _step_lines(picture, room),
                _lines_of(picture, troubles, room),
            ],
            _footer(picture),
        )
    )


def headline(snapshot: Snapshot, memory: Memory, *, title: str | None = None) -> str:
    """Return the first line of the card, for where there is room for one line only."""
    return _headline(_look(View(snapshot, memory, Links("", ""), title)))


def plain(message: Message) -> Message:
    """Return the same message as text only, for when Slack refuses the blocks."""
    return Message(message.text)


def shown_ids(snapshot: Snapshot, memory: Memory, events: Sequence[Event] = ()) -> tuple[str, ...]:
    """Return the ids whose names would make the messages readable, the most needed first.

    Of installs there are at most 40: those in the news and in trouble. A component is
    among them where the snapshot itself does not name it.
    """
    picture = _look(View(snapshot, memory, Links("", "")))
    said = [*_news(picture, events), *_troubles(picture)]
    spoken_of = [one.units for one in said]
    spoken_of += [one.advice.units for one in said if one.advice]
    installs = dict.fromkeys(
        unit.install_id for units in spoken_of for unit in units[: _ROOMS[0].names]
    )
    installs.pop("", None)
    root = snapshot.root
    component = (root.component_id,) if root.component_id and not root.name else ()
    return (*component, *list(installs)[:_MOST_NAMES_WANTED])


def unreachable(scope_title: str, reason: str, since: datetime) -> Message:
    """Say that polls do not come through any more. `reason` may hold foreign words."""
    return _message(
        f"⚠️ {_title_words(scope_title)} cannot be seen",
        [
            [
                _line("No poll has come through since ", _date(since), ": ", visible(reason, 300)),
                _line("What happens meanwhile is told as soon as it can be seen again."),
            ]
        ],
    )


def reachable(scope_title: str, since: datetime, until: datetime) -> Message:
    """Say that polls come through again, after which time."""
    return _message(
        f"✅ {_title_words(scope_title)} can be seen again",
        [
            [
                _line(
                    f"No poll came through for {duration_words(until - since)}, since ",
                    _date(since),
                )
            ]
        ],
    )


def gone(scope_title: str, reason: str, since: datetime, *, was_seen: bool = True) -> Message:
    """Say that the platform has no such record, or none any more."""
    any_more = " any more" if was_seen else ""
    return _message(
        f"❓ {_title_words(scope_title)} is not on Nuon{any_more}",
        [[_line("Since ", _date(since), " the platform answers: ", visible(reason, 300))]],
    )


def refused(channel: str, reason: str, waiting: int, since: datetime) -> Message:
    """Say elsewhere that a channel takes nothing. `waiting` messages are for it so far."""
    messages = "1 message" if waiting == 1 else f"{waiting:,} messages"
    return _message(
        f"⚠️ Cannot post to {_title_words(channel)}",
        [
            [
                _line("Since ", _date(since), ": ", visible(reason, 300)),
                _line(f"What is for it is kept, in order: {messages} so far."),
                _line("Unarchive it, invite the app to it, or configure another channel."),
            ]
        ],
    )


def taken_again(channel: str, since: datetime, until: datetime) -> Message:
    """Say elsewhere that a channel takes messages again."""
    refused_for = duration_words(until - since)
    return _message(
        f"✅ {_title_words(channel)} takes messages again",
        [
            [
                _line(f"It refused them for {refused_for}, since ", _date(since)),
                _line("What waited for it goes out now, in order."),
            ]
        ],
    )


def store_lost(kept_as: str, since: datetime) -> Message:
    """Say that the monitor forgot what it knew, and what follows from that."""
    return _message(
        "⚠️ The release monitor lost its memory",
        [
            [
                _line(
                    "Its store was damaged, and a new one was begun. What it knew until ",
                    _date(since),
                    " is gone.",
                ),
                _line("What was to be told and had not been sent by then is not told any more."),
                _line("What is under way has a new card; what ended before is not told again."),
                _line("The damaged file is kept beside the store as ", visible(kept_as, 200), "."),
            ]
        ],
    )


def test_message(channel: str, now: datetime) -> Message:
    """Draw the message by which a person sees that a channel can be reached."""
    where = _bold(visible(channel, _TITLE_LIMIT, fallback="this channel"))
    return _message(
        "✅ The release monitor reaches this channel",
        [
            [
                _line("A test for ", where, ", sent ", _date(now), "."),
                _line("What fails, hangs or waits for a person will be told here like this."),
            ]
        ],
    )


# How much is said: the first room in which a message fits is taken


@dataclass(frozen=True, slots=True)
class _Room:
    """How many lines of a kind, characters of a reason, and names in a line there may be."""

    lines: int
    words: int
    names: int
    name: int = 60


_ROOMS = (
    _Room(lines=10, words=300, names=4),
    _Room(lines=10, words=120, names=3),
    _Room(lines=6, words=80, names=2, name=40),
    _Room(lines=2, words=40, names=1, name=20),
)


def _fitting(draw: Callable[[_Room], Message]) -> Message:
    for room in _ROOMS[:-1]:
        message = draw(room)
        # As it goes over the wire: what is not ASCII counts as its escape.
        if len(json.dumps(message.blocks)) <= BLOCKS_LIMIT:
            return message
    return draw(_ROOMS[-1])


# What is seen in a snapshot, worked out once for a message


@dataclass(frozen=True, slots=True)
class _Picture:
    view: View
    stages: tuple[rollout.Stage, ...]
    progress: rollout.Progress
    changed_at: datetime
    stalls: tuple[Alert, ...]

    @property
    def root(self) -> Entity:
        return self.view.snapshot.root

    @property
    def title(self) -> str:
        root = self.root
        name = self.view.title or root.name or self.view.names.get(root.component_id, "")
        return _title_words(name) if name else f"{root.kind} {short_id(root.id)}"

    @property
    def current(self) -> int | None:
        """The index of the step that it is at: the first one that is not done."""
        for index, stage in enumerate(self.stages):
            if stage.step.phase is not Phase.SUCCEEDED:
                return index
        return None

    @property
    def failed(self) -> int | None:
        for index, stage in enumerate(self.stages):
            if stage.step.phase is Phase.FAILED or stage.progress.failed:
                return index
        return None

    @property
    def duration(self) -> timedelta | None:
        """How long it has been at it, by the platform's times; None if unknown."""
        begun_at = self.root.created_at
        if begun_at is None or self.changed_at <= begun_at:
            return None
        return self.changed_at - begun_at

    @property
    def is_plan_only(self) -> bool:
        return all(unit.plan_only for stage in self.stages for unit in stage.units)

    def step_words(self, index: int | None) -> str:
        return "" if index is None else f"step {index + 1} of {len(self.stages)}"

    def name_of(self, unit: Entity, limit: int) -> str:
        name = self.view.names.get(unit.install_id) or unit.name
        identifier = short_id(unit.install_id or unit.id)
        return visible(name, limit, fallback=identifier) if name else identifier


def _look(view: View) -> _Picture:
    root = view.snapshot.root
    stages = view.stages
    times = (root.updated_at, root.status_at, root.created_at, *(s.changed_at for s in stages))
    changed_at = max((time for time in times if time), default=view.snapshot.taken_at)
    stalls = tuple(alert for alert in view.memory.alerts if alert.kind is EventKind.STALLED)
    progress = rollout.add_up(tuple(stage.progress for stage in stages))
    return _Picture(view, stages, progress, changed_at, stalls)


def _title_words(name: str) -> str:
    return visible(name, _TITLE_LIMIT, fallback="(no name)")


# The headline: does it move, is it in trouble, where


def _headline(picture: _Picture) -> str:
    icon, words = _state(picture)
    attempt = picture.view.memory.attempt
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"{icon} {picture.title}{words}{again}"[:HEADER_LIMIT]


def _state(picture: _Picture) -> tuple[str, str]:
    """Return an icon and the words that continue the title."""
    root = picture.root
    if picture.view.memory.ended is EventKind.GONE:
        return "❓", " is not on Nuon any more"
    if root.phase is Phase.FAILED:
        return "❌", _failure_words(picture)
    if root.phase is Phase.SUCCEEDED and rollout.is_in_agreement(root):
        return "✅", _success_words(picture)
    if picture.stalls:
        return "⚠️", _stall_words(picture)
    return _state_under_way(picture)


def _state_under_way(picture: _Picture) -> tuple[str, str]:
    root, progress = picture.root, picture.progress
    if progress.failed:
        return "❌", f": {_reached(progress)}, {progress.failed:,} failed"
    if progress.waiting:
        many = progress.waiting > 1
        return "✋", f" waits for {f'{progress.waiting:,} approvals' if many else 'an approval'}"
    if root.phase in _UNDER_WAY_WORDS and not progress.total:
        return "🔵", _UNDER_WAY_WORDS[root.phase]
    if root.phase in _TROUBLES:
        one, _ = _says_of(root.phase, root.status)
        return ("✋" if root.phase is Phase.WAITING else "❓"), f" {one}"
    return "🔵", f": {_reached(progress)}" if progress.total else " says that it succeeded"


_UNDER_WAY_WORDS: Mapping[Phase, str] = {
    Phase.PENDING: " is queued",
    Phase.RUNNING: " is being prepared",
}


def _reached(progress: rollout.Progress) -> str:
    return f"{progress.succeeded:,} of {counted(progress.total, 'install')}"


def _failure_words(picture: _Picture) -> str:
    if picture.failed is not None:
        return f" failed at {picture.step_words(picture.failed)}"
    if picture.stages and picture.progress.pending == picture.progress.total:
        return " failed before it reached any install"
    return " failed"


def _success_words(picture: _Picture) -> str:
    progress = picture.progress
    if not progress.total or picture.is_plan_only:
        return " succeeded"
    if progress.succeeded < progress.total:
        return f" succeeded: {_reached(progress)}"
    return f" is on all {progress.total:,} installs" if progress.total > 1 else " is on its install"


def _stall_words(picture: _Picture) -> str:
    alert = picture.stalls[0]
    if alert.stall is Stall.DISAGREES:
        return f": {_reached(picture.progress)}, though it says that it succeeded"
    ids = [stage.step.id for stage in picture.stages]
    index = ids.index(alert.place) if alert.place in ids else picture.current
    if index is not None:
        return f" hangs at {picture.step_words(index)}"
    return " hangs after its last step" if picture.stages else " hangs"


# Facts and progress


def _facts(picture: _Picture) -> list[_Line]:
    lines = [_line(*_origin(picture))]
    if picture.progress.total:
        lines.append(_progress_line(picture))
    elif picture.root.description and not picture.root.phase.is_terminal:
        status = visible(picture.root.status, _WORD_LIMIT)
        lines.append(_line(f"{status}: {visible(picture.root.description, 200)}"))
    return lines


def _origin(picture: _Picture) -> Iterator[str | _Element]:
    """Yield what is being rolled out, of what, by whom, since when."""
    root, view = picture.root, picture.view
    component = root.name or view.names.get(root.component_id, "")
    if view.title and component and component != view.title:
        yield f"{visible(component, 60)} · "
    yield f"{root.kind} {short_id(root.id)}"
    if re.fullmatch(r"[0-9a-f]{12,64}", root.revision):
        yield f" · commit {root.revision[:7]}"
    elif root.revision:
        yield f" · from {visible(root.revision, _WORD_LIMIT)}"
    elif root.build_id:
        yield f" · build {short_id(root.build_id)}"
    if picture.progress.total and picture.is_plan_only and any(s.units for s in picture.stages):
        yield " · a plan only, changes nothing"
    if root.created_by:
        yield f" · by {visible(root.created_by, 60)}"
    if root.created_at:
        yield " · started "
        yield _date(root.created_at)
    if view.previous_url and len(view.previous_url) <= _URL_LIMIT:
        yield " · "
        yield _link(view.previous_url, "the attempt before")


_CELLS = 16


def _bar(progress: rollout.Progress) -> str:
    """Full only when all are done, empty only when none is."""
    cells = progress.succeeded * _CELLS // progress.total
    done = max(cells, 1 if progress.succeeded else 0)
    return "▓" * done + "░" * (_CELLS - done)


def _progress_line(picture: _Picture) -> _Line:
    root, progress = picture.root, picture.progress
    words = [extras] if (extras := _extras(progress)) else []
    if not root.phase.is_terminal and picture.current is not None:
        words.append(picture.step_words(picture.current))
    words.extend(_time_words(picture))
    return _line(
        f"{_bar(progress)}  ", _bold(_reached(progress)), *(f" · {word}" for word in words)
    )


def _extras(progress: rollout.Progress) -> str:
    waits = "waits" if progress.waiting == 1 else "wait"
    counts = (
        (progress.failed, "failed"),
        (progress.waiting, waits),
        (progress.ended, "ended otherwise"),
        (progress.unknown, "unknown"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _time_words(picture: _Picture) -> Iterator[str]:
    if picture.duration is None:
        return
    spent = duration_words(picture.duration)
    if picture.root.phase is Phase.SUCCEEDED:
        yield f"took {spent}"
    elif picture.root.phase is Phase.FAILED:
        yield f"after {spent}"
    elif (left := _words_for_time_left(picture)) is not None:
        yield f"{spent}, about {left} to go"
    else:
        yield spent


def _words_for_time_left(picture: _Picture) -> str | None:
    """Return an estimate only while nothing stands in the way."""
    progress = picture.progress
    if picture.root.phase is not Phase.RUNNING or picture.stalls:
        return None
    if progress.failed or progress.waiting or progress.ended or progress.unknown:
        return None
    left = rollout.time_left(picture.stages)
    return duration_words(left) if left else None


# The steps


_MARKS: Mapping[Phase, str] = {
    Phase.PENDING: "○",
    Phase.RUNNING: "●",
    Phase.WAITING: "✋",
    Phase.SUCCEEDED: "✓",
    Phase.FAILED: "✗",
    Phase.ENDED: "⊘",
    Phase.UNKNOWN: "?",
}


def _step_lines(picture: _Picture, room: _Room) -> list[_Line]:
    """Draw the steps around the current one, and say how many there are before and after."""
    left = _not_attempted(picture)
    count = len(picture.stages) - (len(left) if len(left) > 1 else 0)
    current = count - 1 if picture.current is None else picture.current
    shown = min(_STEP_LINES, room.lines)
    first = max(0, current - shown // 3) if count > shown else 0
    last = min(count, first + shown)
    lines = [_step_line(picture, index, room) for index in range(first, last)]
    if first:
        are_done = all(stage.step.phase is Phase.SUCCEEDED for stage in picture.stages[:first])
        lines.insert(0, _line(f"… {counted(first, 'step')} {'done' if are_done else 'before'}"))
    if last < count:
        lines.append(_line(f"… {counted(count - last, 'more step')}"))
    if len(left) > 1:
        words = " · ".join(filter(None, (_installs_of(left), "not attempted")))
        lines.append(_line("○ ", _bold(_steps_words(picture, left)), f" · {words}"))
    return lines


def _not_attempted(picture: _Picture) -> tuple[rollout.Stage, ...]:
    """Return the last steps, those that a rollout never came to before it failed."""
    if picture.root.phase is not Phase.FAILED:
        return ()
    last_steps = itertools.takewhile(_is_untouched, reversed(picture.stages))
    return tuple(last_steps)[::-1]


def _is_untouched(stage: rollout.Stage) -> bool:
    return stage.step.phase is Phase.PENDING and stage.progress.pending == stage.progress.total


def _steps_words(picture: _Picture, last_steps: Sequence[rollout.Stage]) -> str:
    count = len(picture.stages)
    return (
        f"step {count}"
        if len(last_steps) == 1
        else f"steps {count - len(last_steps) + 1} to {count}"
    )


def _installs_of(stages: Sequence[rollout.Stage]) -> str:
    installs = sum(stage.progress.total for stage in stages)
    return counted(installs, "install") if installs else ""


def _step_line(picture: _Picture, index: int, room: _Room) -> _Line:
    stage = picture.stages[index]
    words = " · ".join(_step_words(picture, stage, room))
    return _line(
        f"{_step_mark(picture, index)} ", _bold(f"step {index + 1}"), words and f" · {words}"
    )


def _step_mark(picture: _Picture, index: int) -> str:
    stage = picture.stages[index]
    if stage.step.phase.is_terminal:
        return _MARKS[stage.step.phase]
    if _is_stalled(picture, index):
        return "⚠"
    if stage.progress.failed:
        return _MARKS[Phase.FAILED]
    if stage.progress.waiting:
        return _MARKS[Phase.WAITING]
    return _MARKS[stage.step.phase]


def _is_stalled(picture: _Picture, index: int) -> bool:
    places = {alert.place for alert in picture.stalls}
    if picture.stages[index].step.id in places:
        return True
    return picture.root.id in places and index == picture.current


def _step_words(picture: _Picture, stage: rollout.Stage, room: _Room) -> Iterator[str]:
    step, progress = stage.step, stage.progress
    if step.phase is Phase.UNKNOWN:
        yield f"unknown status {visible(step.status, min(room.words, _WORD_LIMIT))}"
    has_begun = progress.pending < progress.total
    if progress.total:
        is_plain = progress.succeeded == progress.total or not has_begun
        yield counted(progress.total, "install") if is_plain else _reached(progress)
    if extras := _extras(progress):
        yield extras
    if step.is_delayed:
        yield f"waits for its delay of {_delay_words(step)}"
    elif step.phase is Phase.PENDING and not has_begun:
        if picture.root.phase is Phase.FAILED:
            yield "not attempted"
        elif step.delay:
            yield f"after a delay of {_delay_words(step)}"
    elif stage.duration:
        yield duration_words(stage.duration)
    if step.is_absent:
        yield "not in the newest answer"


def _delay_words(step: Entity) -> str:
    return duration_words(timedelta(seconds=step.delay))


# What is said of something: a trouble that stands, or an event


@dataclass(frozen=True, slots=True)
class _Advice:
    """What a person can do; `{installs}` in the words stands for the units' names."""

    words: str
    units: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class _Said:
    """One line: of the units, where there are any, else of the subject.

    `one` and `many` continue the name, for one unit and for several. `reason` holds
    foreign words, as they came. `advice` is a line of its own.
    """

    rank: int
    mark: str
    one: str
    many: str = ""
    reason: str = ""
    units: tuple[Entity, ...] = ()
    subject: str = ""
    lead: str = ""
    tail: str = ""
    advice: _Advice | None = None

    @property
    def weight(self) -> int:
        return max(1, len(self.units))


def _lines_of(picture: _Picture, said: Sequence[_Said], room: _Room) -> list[_Line]:
    lines: list[_Line] = []
    for one in said[: room.lines]:
        lines.append(_said_line(picture, one, room))
        if one.advice is not None:
            lines.append(_advice_line(picture, one.advice, room))
    hidden = sum(one.weight for one in said[room.lines :])
    if hidden:
        lines.append(_line(f"… and {hidden:,} more"))
    return lines


def _said_line(picture: _Picture, said: _Said, room: _Room) -> _Line:
    subject, in_detail = _subject(picture, said, room)
    says = said.many if len(said.units) > 1 and said.many else said.one
    words = visible(says, room.words, fallback="")
    reason = visible(said.reason, room.words, fallback="")
    return _line(
        f"{said.mark} {said.lead}",
        _bold(subject),
        f"{in_detail}{words and f' {words}'}{reason and f': {reason}'}{said.tail}",
        *_where(picture, said.units),
    )


def _subject(picture: _Picture, said: _Said, room: _Room) -> tuple[str, str]:
    """Return whom a line is about, and who they are where they are many."""
    if not said.units:
        return said.subject, ""
    names = _names(picture, said.units, room)
    if len(said.units) == 1:
        return names, ""
    return counted(len(said.units), "install"), f" ({names})"


def _names(picture: _Picture, units: Sequence[Entity], room: _Room) -> str:
    names = [picture.name_of(unit, room.name) for unit in units[: room.names]]
    return join_names(names, len(units))


def _advice_line(picture: _Picture, advice: _Advice, room: _Room) -> _Line:
    words = advice.words.format(installs=_names(picture, advice.units, room))
    return _line(f"→ {words}", *_where(picture, advice.units))


def _where(picture: _Picture, units: Sequence[Entity]) -> Iterator[str | _Element]:
    first = next((unit for unit in units if unit.install_id), None)
    if first is None or len(first.install_id) + len(first.workflow_id) > _URL_LIMIT:
        return
    links = picture.view.links
    url = links.install(first.install_id)
    if first.workflow_id:
        url = links.workflow(first.install_id, first.workflow_id)
    if len(url) <= _URL_LIMIT:
        yield "  "
        yield _link(url, "Open install" if len(units) == 1 else "Open the first")


_ABSENT = " (not in the newest answer)"


def _says_of(phase: Phase, status: str) -> tuple[str, str]:
    """Return what is said of one and of several in a phase that is a trouble."""
    shown = visible(status, _WORD_LIMIT)
    match phase:
        case Phase.FAILED:
            return "failed", "failed"
        case Phase.WAITING:
            return "waits for an approval", "wait for an approval"
        case Phase.ENDED:
            return f"ended as {shown}", f"ended as {shown}"
        case _:
            return f"has an unknown status, {shown}", f"have an unknown status, {shown}"


# The troubles that stand


_TROUBLES: Mapping[Phase, int] = {
    Phase.FAILED: 1,
    Phase.WAITING: 2,
    Phase.UNKNOWN: 3,
    Phase.ENDED: 4,
}
_RETRIED = 5


def _troubles(picture: _Picture, told: AbstractSet[str] = frozenset()) -> list[_Said]:
    """Return what stands in trouble now, the worst first, but for the entities `told`."""
    said = [
        *_standing_stalls(picture, told),
        *_troubles_of_units(picture, told),
        *_troubles_of_parents(picture, told),
    ]
    return sorted(said, key=lambda one: (one.rank, -one.weight))


def _standing_stalls(picture: _Picture, told: AbstractSet[str]) -> Iterator[_Said]:
    if picture.root.phase is Phase.FAILED:
        return
    for alert in picture.stalls:
        if alert.place not in told:
            subject = _words_for_place(picture, alert.place)
            advice = _advice(picture, alert.place, alert.stall)
            yield _Said(0, "⚠", alert.reason, subject=subject, advice=advice)


def _words_for_place(picture: _Picture, place: str) -> str:
    for index, stage in enumerate(picture.stages):
        if stage.step.id == place:
            return picture.step_words(index)
    return f"the {picture.root.kind}"


def _advice(picture: _Picture, place: str, stall: Stall | None) -> _Advice | None:
    """Return what to do about something that hangs."""
    match stall:
        case Stall.DEAD_END:
            units = _units(picture, lambda unit: unit.phase is Phase.ENDED, step_id=place)
            words = "Deploy to {installs} again or start a new release."
        case Stall.GIVEN_UP:
            units = _units(picture, lambda unit: not unit.phase.is_terminal)
            words = "Start a new release: this one will not go on by itself."
            words += " Not done: {installs}." if units else ""
        case Stall.QUIET:
            units = _units(picture, lambda unit: not unit.phase.is_terminal)
            words = "Look at {installs}: not done yet."
            words = words if units else "Look at its build and its runners on the dashboard."
        case Stall.DISAGREES:
            units = _units(picture, lambda unit: unit.phase is not Phase.SUCCEEDED)
            words = f"Look at {'{installs}' if units else 'its steps'} before you rely on it."
        case _:
            return None
    return _Advice(words, units)


def _units(
    picture: _Picture, is_meant: Callable[[Entity], bool], *, step_id: str | None = None
) -> tuple[Entity, ...]:
    return tuple(
        unit
        for stage in picture.stages
        if step_id in (None, stage.step.id)
        for unit in stage.units
        if is_meant(unit)
    )


def _troubles_of_units(picture: _Picture, told: AbstractSet[str]) -> Iterator[_Said]:
    """Yield the units in trouble: those that say the same are told in one line."""
    retried = {
        alert.place: alert.reason
        for alert in picture.view.memory.alerts
        if alert.kind is EventKind.FAILED and alert.is_retrying
    }
    alike: dict[tuple[str, str, bool, str | None], list[Entity]] = {}
    for stage in picture.stages:
        progress = stage.progress
        is_well = progress.succeeded + progress.running + progress.pending == progress.total
        if is_well and not retried:
            continue
        for unit in stage.units:
            failure = None
            if retried:
                failure = retried.get(rollout.place_of(Level.UNIT, unit, stage.step))
            key = (unit.status, unit.description, unit.is_absent, failure)
            alike.setdefault(key, []).append(unit)
    for (_, _, _, failure), together in alike.items():
        phase = together[0].phase
        units = tuple(unit for unit in together if unit.id not in told)
        if units and (phase in _TROUBLES or (failure is not None and not phase.is_terminal)):
            yield _trouble_of_units(units, failure)


def _trouble_of_units(units: tuple[Entity, ...], failure: str | None) -> _Said:
    """Return the line for units with the same trouble; `failure` is one that is retried."""
    unit = units[0]
    tail = _ABSENT if unit.is_absent else ""
    if unit.phase in _TROUBLES:
        one, many = _says_of(unit.phase, unit.status)
        rank, mark, reason = _TROUBLES[unit.phase], _MARKS[unit.phase], unit.description
    else:
        one, many = "failed and is being tried again", "failed and are being tried again"
        rank, mark, reason = _RETRIED, "↻", failure or ""
    return _Said(rank, mark, one, many, reason, units, tail=tail)


def _troubles_of_parents(picture: _Picture, told: AbstractSet[str]) -> Iterator[_Said]:
    """Yield what steps and the rollout say of themselves, where none of their parts does."""
    root = picture.root
    is_explained = False
    for index, stage in enumerate(picture.stages):
        step = stage.step
        if _has_reason(stage):
            is_explained = True
        elif step.phase in _TROUBLES and (step.description or step.phase is not Phase.FAILED):
            is_explained |= step.phase is Phase.FAILED
            if step.id not in told:
                yield _trouble_of_parent(step, picture.step_words(index))
    is_told = root.id in told or (root.phase is Phase.FAILED and is_explained)
    if root.phase in _TROUBLES and not is_told:
        yield _trouble_of_parent(root, f"the {root.kind}")


def _has_reason(stage: rollout.Stage) -> bool:
    """Whether a unit that failed says why."""
    return stage.progress.failed > 0 and any(
        unit.phase is Phase.FAILED and unit.description.strip() for unit in stage.units
    )


def _trouble_of_parent(entity: Entity, subject: str) -> _Said:
    phase = entity.phase
    one, _ = _says_of(phase, entity.status)
    if phase is Phase.WAITING:
        one = "waits for a person"
    has_no_reason = phase is Phase.FAILED and not entity.description.strip()
    return _Said(
        _TROUBLES[phase],
        _MARKS[phase],
        one,
        reason=entity.description,
        subject=subject,
        tail=", the platform gives no reason" if has_no_reason else "",
    )


# The news of one poll


_RANKS: Mapping[EventKind, int] = {
    EventKind.SUCCEEDED: 1,
    EventKind.STARTED: 1,
    EventKind.GONE: 1,
    EventKind.FAILED: 2,
    EventKind.STALLED: 3,
    EventKind.WAITING: 4,
    EventKind.UNREACHABLE: 5,
    EventKind.REACHABLE: 5,
    EventKind.RECOVERED: 6,
    EventKind.PROGRESSED: 7,
}


def _is_headline(event: Event, root: Entity) -> bool:
    """Whether the headline of how it stands says as much as the event."""
    if event.level is not Level.ROLLOUT:
        return False
    if event.kind is EventKind.FAILED:
        return root.phase is Phase.FAILED
    return event.kind in (EventKind.STARTED, EventKind.SUCCEEDED)


def _news(picture: _Picture, events: Sequence[Event]) -> list[_Said]:
    """Return the lines for events, the most important first.

    A failure that has failed parts of its own among the events is told with these.
    """
    failed = {event.entity.id: event for event in events if event.kind is EventKind.FAILED}
    explained = _explained(picture.root, failed)
    said: list[_Said] = []
    alike: dict[tuple[object, ...], list[Event]] = {}
    for event in events:
        if event.level is Level.UNIT:
            phase = event.entity.phase
            key = (event.kind, phase, event.reason, event.is_reminder, event.entity.is_absent)
            alike.setdefault(key, []).append(event)
        elif event.level is Level.ROLLOUT:
            said.append(_rollout_said(picture, event, failed, is_explained=bool(explained)))
        elif event.kind is not EventKind.FAILED or not (
            event.entity.id in explained or picture.root.id in failed
        ):
            said.append(_step_said(picture, event))
    said.extend(_units_said(picture, together) for together in alike.values())
    return sorted(said, key=lambda one: (one.rank, -len(one.units)))


def _explained(root: Entity, failed: Mapping[str, Event]) -> set[str]:
    """Return the steps with a unit that failed by one of the events."""
    if not any(event.level is Level.UNIT for event in failed.values()):
        return set()
    return {step.id for step in root.children if any(unit.id in failed for unit in step.children)}


def _rollout_said(
    picture: _Picture, event: Event, failed: Mapping[str, Event], *, is_explained: bool
) -> _Said:
    root, kind = picture.root, event.kind
    title = picture.title
    if kind is EventKind.SUCCEEDED:
        took = picture.duration
        tail = f", after {duration_words(took)}" if took else ""
        return _Said(1, "✅", _success_words(picture), subject=title, tail=tail)
    if kind is EventKind.STARTED:
        progress = picture.progress
        steps = counted(len(picture.stages), "step")
        of_what = f": {counted(progress.total, 'install')} in {steps}" if progress.total else ""
        return _Said(1, "🔵", f"has begun{of_what}", subject=title)
    if kind is EventKind.FAILED:
        if root.phase is not Phase.FAILED:  # it is under way again already
            return _Said(1, "❌", "failed", reason=event.reason, subject=title)
        of_steps = (one.reason for one in failed.values() if one.level is Level.STEP)
        reason = "" if is_explained else next(filter(None, of_steps), event.reason)
        tail = _words_for_not_attempted(picture)
        return _Said(1, "❌", _failure_words(picture), reason=reason, subject=title, tail=tail)
    return _parent_said(picture, event, title)


def _words_for_not_attempted(picture: _Picture) -> str:
    left = _not_attempted(picture)
    if not left or picture.failed is None:
        return ""
    of_what = f" ({installs})" if (installs := _installs_of(left)) else ""
    return f" · {_steps_words(picture, left)} not attempted{of_what}"


def _step_said(picture: _Picture, event: Event) -> _Said:
    for index, stage in enumerate(picture.stages):
        if stage.step.id == event.entity.id:
            return _parent_said(picture, event, picture.step_words(index), _step_tail(event, stage))
    return _parent_said(picture, event, f"step {short_id(event.entity.id)}")


def _step_tail(event: Event, stage: rollout.Stage) -> str:
    if event.kind is not EventKind.PROGRESSED or not stage.progress.total:
        return ""
    installs = counted(stage.progress.total, "install")
    if stage.step.phase is Phase.SUCCEEDED and stage.duration:
        return f" · {installs} in {duration_words(stage.duration)}"
    return f" · {installs}"


def _parent_said(picture: _Picture, event: Event, subject: str, tail: str = "") -> _Said:
    """Return the line for a step or the rollout."""
    rank, lead = _RANKS[event.kind], _lead(picture, event)
    if event.kind is EventKind.STALLED:
        alert = _alert_of(picture, event)
        advice = _advice(picture, alert.place, alert.stall) if alert else None
        return _Said(rank, "⚠", event.reason, subject=subject, lead=lead, advice=advice)
    if event.kind is EventKind.WAITING:
        one, reason = "waits for a person", event.reason
        return _Said(rank, "✋", one, reason=reason, subject=subject, lead=lead)
    if event.kind is EventKind.FAILED:
        return _Said(rank, "✗", "failed", reason=event.reason, subject=subject)
    mark = "✓" if event.kind is EventKind.RECOVERED else _MARKS[event.entity.phase]
    return _Said(rank, mark, event.reason, subject=subject, lead=lead, tail=tail)


def _units_said(picture: _Picture, events: Sequence[Event]) -> _Said:
    """Return the line for units of which the same is to be told."""
    event, units = events[0], tuple(event.entity for event in events)
    rank, lead = _RANKS[event.kind], _lead(picture, event)
    tail = _ABSENT if event.entity.is_absent else ""
    if event.kind in (EventKind.FAILED, EventKind.WAITING):
        phase = Phase.FAILED if event.kind is EventKind.FAILED else Phase.WAITING
        one, many = _says_of(phase, "")
        return _Said(rank, _MARKS[phase], one, many, event.reason, units, lead=lead, tail=tail)
    mark = "⚠" if event.kind is EventKind.STALLED else _MARKS[event.entity.phase]
    many = _of_many(event.reason)
    return _Said(rank, mark, event.reason, many, units=units, lead=lead, tail=tail)


def _of_many(phrase: str) -> str:
    first, _, rest = phrase.partition(" ")
    return f"{ {'is': 'are', 'has': 'have'}.get(first, first) } {rest}"


def _lead(picture: _Picture, event: Event) -> str:
    """Return how long it has stood, for what was told before."""
    if not event.is_reminder:
        return ""
    alert = _alert_of(picture, event)
    return f"still, for {duration_words(alert.told_at - alert.since)}: " if alert else "still: "


def _alert_of(picture: _Picture, event: Event) -> Alert | None:
    """Return the alert that an event was told for."""
    places = {event.entity.id}
    if event.level is Level.UNIT:
        install = event.entity.install_id
        places.update(f"{stage.step.id}/{install}" for stage in picture.stages)
    alerts = (one for one in picture.view.memory.alerts if one.kind is event.kind)
    return next((alert for alert in alerts if alert.place in places), None)


# Elements, lines and messages


def _bold(text: str) -> _Element:
    return {"type": "text", "text": text, "style": {"bold": True}}


def _link(url: str, text: str) -> _Element:
    return {"type": "link", "url": url, "text": text}


_SLACK_DATE = "{date_short_pretty} {time}"


def _date(at: datetime) -> _Element:
    """Return a time that Slack shows in each reader's own zone."""
    fallback = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    seconds = int(at.timestamp())
    return {"type": "date", "timestamp": seconds, "format": _SLACK_DATE, "fallback": fallback}


def _line(*parts: str | _Element) -> _Line:
    """Join text and elements; text beside text becomes one element, and none is empty."""
    elements: list[_Element] = []
    said = ""
    for part in (*parts, {}):
        if isinstance(part, str):
            said += part
            continue
        if said:
            elements.append({"type": "text", "text": said})
            said = ""
        if part:
            elements.append(part)
    return tuple(elements)


def _footer(picture: _Picture) -> _Line:
    url = picture.view.links.releases()
    links = (_link(url, "Open in Nuon"), " · ") if len(url) <= _URL_LIMIT else ()
    return _line(*links, "last change ", _date(picture.changed_at))


def _message(header: str, sections: Sequence[_Section], footer: _Line = ()) -> Message:
    shown = [section for section in sections if section]
    blocks: list[_Element] = [
        {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}},
        *(_rich_text(section) for section in shown),
    ]
    if footer:
        blocks.append(_context(footer))
    lines = [_line(header), *(line for section in shown for line in section), footer]
    return Message(_text_of(lines), tuple(blocks))


def _reply(lead: _Section, lines: _Section) -> Message:
    """Draw lines alone; `lead` is for their text only."""
    return Message(_text_of([*lead, *lines]), (_rich_text(lines),))


def _rich_text(lines: _Section) -> _Element:
    elements: list[_Element] = []
    for line in lines:
        if elements:
            elements.append({"type": "text", "text": "\n"})
        elements.extend(line)
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": elements}],
    }


def _context(line: _Line) -> _Element:
    """Draw a line of our own words in small type; only mrkdwn can do that."""
    text = "".join(map(_mrkdwn_of, line))
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _text_of(lines: Iterable[_Line]) -> str:
    """Return lines as mrkdwn text, as many as there is room for."""
    text = ""
    for line in lines:
        longer = f"{text}\n{''.join(map(_mrkdwn_of, line))}"
        if len(longer) > TEXT_LIMIT:
            break
        text = longer
    return text.strip("\n")


_URL_MARKUP = str.maketrans({"<": "%3C", ">": "%3E", "|": "%7C", "&": "&amp;"})


def _mrkdwn_of(element: _Element) -> str:
    match element["type"]:
        case "link":
            return f"<{element['url'].translate(_URL_MARKUP)}|{element['text']}>"
        case "date":
            return f"<!date^{element['timestamp']}^{element['format']}|{element['fallback']}>"
        case _:
            return mrkdwn_escape(element["text"])
