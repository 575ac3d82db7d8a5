"""Mutated documents through the decoder, the diff, the decisions and the drawing.

    python -m tests.benchmarks.fuzz --documents 1000000 --seed 1 [--kind release]

A life is one release, run, workflow, … polled some twenty times: most answers are mutated,
each is read or refused, and laws that hold for every document are checked on what became of
it. A life is made again from its kind and its seed alone, which a broken law is reported with.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

import msgspec

from monitor.compose import notifications, render
from monitor.decide import events
from monitor.decide.diff import Difference, diff, keep_absent
from monitor.decide.dispatch import Dispatch, Plan, dispatch
from monitor.decide.scene import Scene
from monitor.decide.stalls import StallRules
from monitor.errors import MalformedAnswer
from monitor.kinds import KINDS, approvals, every_part, release, workflow
from monitor.kinds.approvals import APPROVALS
from monitor.kinds.profile import LastSeen, WatchKind
from monitor.kinds.release import RELEASE
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.kinds.wire import Document, Memo
from monitor.model import (
    Entity,
    EventKind,
    Kind,
    Phase,
    Snapshot,
    Target,
    TargetState,
    is_refusal,
    known_statuses,
    phase_of,
)
from monitor.platform.client import NuonClient
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import gather
from monitor.simulation.answers import Shape
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import (
    BEGINNING,
    DENIED,
    DIALECTS,
    FLICKERS,
    NOOP,
    SCENARIOS,
    WAITS,
    Course,
    Scenario,
)
from tests.support.block_kit import complaints
from tests.support.clock import clock_at

POLLS_OF_A_LIFE = 20
_MOMENTS = 12
_MOST_ROUNDS = 20
_MOST_EXPLAINED = 5
_COURSES: tuple[Course, ...] = (WAITS, NOOP, DENIED, FLICKERS)
_PATIENCE = StallRules(timedelta(minutes=30), timedelta(hours=4))
_DEFAULTS = ("C1", "hook")
_LINKS = render.Links("https://app.nuon.co", "orgk2v9q7m3x8c4b6n1z5w0y2a")


class LawBrokenError(AssertionError):
    """Something that must hold for every document does not."""


@dataclass
class Tally:
    """What became of the documents; `broken` has a sentence for each law that did not hold."""

    mutants: int = 0
    refused: int = 0
    accepted: int = 0
    told: int = 0
    broken: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.mutants += other.mutants
        self.refused += other.refused
        self.accepted += other.accepted
        self.told += other.told
        self.broken += other.broken
        return self


def run(seed: int, documents: int, kind: str = release.NAME) -> Tally:
    """Live lives of one kind until so many mutated documents were read or refused."""
    tally = Tally()
    number = 0
    while tally.mutants < documents:
        live(f"{seed}/{number}", tally, kind)
        number += 1
    return tally


def live(seed: str, tally: Tally, kind: str = release.NAME) -> None:
    """Live one life to its end, or until a law is broken or something raises."""
    chance = random.Random(seed)
    life = Life(chance, chance.choice(originals(kind)))
    try:
        for _ in range(POLLS_OF_A_LIFE):
            life.poll(tally)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        tally.broken.append(f"{kind} life {seed}: {type(error).__name__}: {error}")


# What is mutated


_Documents = Mapping[str, Document]
"""What the platform answers at one moment, by path; the target's own document is the first."""


@dataclass(frozen=True)
class Original:
    """What is watched, and all its documents at some moments of its life."""

    target: Target
    moments: tuple[_Documents, ...]

    @property
    def kind(self) -> WatchKind:
        return KINDS[self.target.kind]


@cache
def originals(kind: str) -> tuple[Original, ...]:
    """Return some lives as they are told in one dialect, as the platform answers them.

    Every other one is as thin as the real servers are, and what explains it is elsewhere.
    """
    return asyncio.run(_recorded(kind))


async def _recorded(kind: str) -> tuple[Original, ...]:
    # What waits for approval is listed of workflows.
    dialect = kind if kind in DIALECTS else workflow.NAME
    recorded = []
    names = ("happy", "failure", "demo", "retry", "lagging", "thin", "unknown-words")
    for number, name in enumerate(names):
        for seed in (number % 4, (number + 1) % 4):
            courses = {**SCENARIOS[name].courses, (1, 1): _COURSES[seed]}
            small = replace(SCENARIOS[name], steps=(2, 3), courses=courses)
            shape = Shape.THIN if seed % 2 else Shape.DOCUMENTED
            recorded.append(await _record(small, seed, kind, dialect, shape))
    return tuple(recorded)


async def _record(scenario: Scenario, seed: int, kind: str, dialect: str, shape: Shape) -> Original:
    clock = clock_at(BEGINNING)
    async with SimulatedPlatform(clock, shape=shape) as platform:
        watched = platform.add(scenario, seed=seed, dialect=dialect)
        every = platform.rollout(watched).settles_after / (_MOMENTS - 1)
        target = Target(kind, watched if kind == dialect else "org")
        moments = []
        async with NuonClient(
            api_url=platform.base_url,
            org_id=platform.org_id,
            api_token=platform.token,
            timeout=timedelta(seconds=30),
            max_concurrent_requests=8,
        ) as client:
            for _ in range(_MOMENTS):
                explanations = Explanations(client, KINDS[kind])
                gathered = await gather(client, KINDS[kind], target.id, explanations=explanations)
                main = {KINDS[kind].path(target.id): Document(gathered.main.body)}
                beside = {path: one for path, one in gathered.beside.items() if one is not None}
                moments.append(main | beside)
                clock.advance(every)
    return Original(target, tuple(moments))


_WORDS = tuple(dict.fromkeys(word for kind in every_part() for word in known_statuses(kind)))
_TIMES = (
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-14:00", "2999-01-01T00:00:00Z", "2025-12-01T09:00:00", "yesterday"),
    *("1970-01-01T00:00:00Z", "2025-12-01T09:30:00+05:30", "2025-13-45T99:99:99Z"),
)
_NUMBERS = (0, -1, 1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, 1e300, 253402300799, 1764579600)
# What `msgspec` would not write by itself.
_RAW = (b"1e999", b"1" * 400, b'"\\ud800"', b"-0.0", b'"\\u0000"', b"[" * 900 + b"]" * 900)
_TEXTS = (
    "",
    " ",
    "x" * 20_000,
    "<!channel>",
    "\u202e\u200b",
    "a/b",
    "1h30m",
    "-1s",
    "9" * 40 + "h",
)


def _odd_value(chance: random.Random) -> Any:
    match chance.randrange(6):
        case 0:
            return chance.choice(_WORDS)
        case 1:
            return chance.choice(_TIMES)
        case 2:
            return chance.choice(_NUMBERS)
        case 3:
            return msgspec.Raw(chance.choice(_RAW))
        case 4:
            return chance.choice(_TEXTS)
        case _:
            return chance.choice((None, True, [], {}, [None], [[]], {"id": None}, [{}]))


_Place = tuple[Any, Any]
"""A list or an object, and an index or a key in it."""


def _places_in(value: Any) -> Iterator[_Place]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places_in(value[key])


def _drop(chance: random.Random, places: list[_Place]) -> None:
    container, key = chance.choice(places)
    del container[key]


def _nullify(chance: random.Random, places: list[_Place]) -> None:
    container, key = chance.choice(places)
    container[key] = None


def _make_odd(chance: random.Random, places: list[_Place]) -> None:
    container, key = chance.choice(places)
    container[key] = _odd_value(chance)


def _change_a_status(chance: random.Random, places: list[_Place]) -> None:
    statuses = [place for place in places if place[1] == "status"]
    if statuses:
        container, key = chance.choice(statuses)
        container[key] = chance.choice((*_WORDS, "", "reticulating"))


def _change_a_time(chance: random.Random, places: list[_Place]) -> None:
    times = [place for place in places if str(place[1]).startswith(("created_at", "updated_at"))]
    if times:
        container, key = chance.choice(times)
        container[key] = chance.choice(_NUMBERS if key == "created_at_ts" else _TIMES)


def _copy(chance: random.Random, places: list[_Place]) -> None:
    """Put one value in the place of another: ids that repeat, parts of parts."""
    (source, at), (container, key) = chance.choice(places), chance.choice(places)
    container[key] = copy.deepcopy(source[at])


def _copy_an_id(chance: random.Random, places: list[_Place]) -> None:
    ids = [place for place in places if str(place[1]).endswith("id")]
    if ids:
        (source, at), (container, key) = chance.choice(ids), chance.choice(ids)
        container[key] = copy.deepcopy(source[at])


def _duplicate(chance: random.Random, places: list[_Place]) -> None:
    if rows := [place for place in places if isinstance(place[0], list)]:
        rows_of, index = chance.choice(rows)
        rows_of.append(copy.deepcopy(rows_of[index]))


def _reorder(chance: random.Random, places: list[_Place]) -> None:
    for container, key in places:
        if isinstance(container[key], list):
            chance.shuffle(container[key])


_MUTATIONS: tuple[Callable[[random.Random, list[_Place]], None], ...] = (
    *(_drop, _drop, _nullify, _make_odd, _change_a_status, _change_a_status),
    *(_change_a_time, _copy, _copy_an_id, _duplicate, _reorder),
)


def _flip(chance: random.Random, body: bytearray) -> None:
    for _ in range(chance.randint(1, 3)):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def _truncate(chance: random.Random, body: bytearray) -> None:
    del body[chance.randrange(len(body)) :]


def _insert(chance: random.Random, body: bytearray) -> None:
    at = chance.randrange(len(body))
    body[at:at] = chance.choice((b"{", b"]", b",null", b"\xff", b'"', b"\x00", b'"id":"x",'))


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Return a document with one to four things wrong, in its structure or in its bytes."""
    if chance.random() < 0.12:
        spoilt = bytearray(body)
        chance.choice((_flip, _truncate, _insert))(chance, spoilt)
        return bytes(spoilt)
    document = msgspec.json.decode(body)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        if places := list(_places_in(document)):
            chance.choice(_MUTATIONS)(chance, places)
    return msgspec.json.encode(document)


# What must hold


_Key = tuple[Kind, str]


@dataclass(frozen=True)
class _Gathered:
    """All documents that one poll took in."""

    main: bytes
    beside: Mapping[str, Document | None]


@dataclass
class Life:
    """One target as the monitor sees it, and beside it what was seen, kept another way."""

    chance: random.Random
    original: Original
    now: datetime = BEGINNING
    moment: int = 0
    memo: Memo[Any] = field(default_factory=Memo)
    seen: Snapshot | None = None
    state: TargetState | None = None
    statuses: dict[_Key, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def poll(self, tally: Tally) -> None:
        """Let time pass, take one answer, mutated as a rule, and check every law on it."""
        chance = self.chance
        self.now += timedelta(minutes=chance.choice((0.25, 1, 5, 35, 300)))
        self.moment = min(self.moment + chance.choice((0, 1, 1, 2)), _MOMENTS - 1)
        documents = dict(self.original.moments[self.moment])
        is_mutant = chance.random() < 0.85
        if is_mutant:
            self._spoil(documents)
            tally.mutants += 1
        gathered = self._gather(documents)
        root = self._decoded(gathered) if gathered else None
        if is_mutant:
            tally.refused += root is None
            tally.accepted += root is not None
        if gathered is None or root is None:
            law("an answer of the platform is not refused", holds=is_mutant)
            return
        tally.told += self._take(root)
        if chance.random() < 0.3:
            self._take_again(gathered)
        if chance.random() < 0.2:
            self._restart()

    def _spoil(self, documents: dict[str, Document]) -> None:
        """Mutate one of the documents, which is lost now and then, and perhaps others."""
        main, *beside = documents
        spoilt = self.chance.choice([*documents])
        for path in (main, *beside):
            if path != spoilt and self.chance.random() < 0.9:
                continue
            if path != main and self.chance.random() < 0.1:
                del documents[path]
            else:
                body, has_more = documents[path]
                documents[path] = Document(mutated(body, self.chance), has_more)

    def _gather(self, documents: Mapping[str, Document]) -> _Gathered | None:
        """Ask for all that a poll needs; None where something of it cannot be had."""
        kind, identifier = self.original.kind, self.original.target.id
        main = next(iter(documents.values())).body
        beside: dict[str, Document | None] = {}
        if kind.further is None:
            return self._explained(main, documents, beside)
        seen = self.seen.root if self.seen else None
        for _ in range(_MOST_ROUNDS):
            try:
                wanted = kind.further(main, identifier, beside, seen)
            except MalformedAnswer:
                return None
            new = [one for one in wanted if one.path not in beside]
            if not new:
                return self._explained(main, documents, beside)
            if any(one.is_needed and one.path not in documents for one in new):
                return None
            beside |= {one.path: documents.get(one.path) for one in new}
        return None

    def _explained(
        self,
        main: bytes,
        documents: Mapping[str, Document],
        beside: Mapping[str, Document | None],
    ) -> _Gathered | None:
        """Add what explains the documents of a poll, as far as it can be had."""
        kind, identifier = self.original.kind, self.original.target.id
        if kind.questions is None:
            return _Gathered(main, beside)
        last_seen = LastSeen(self.seen.root if self.seen else None)
        for _ in range(_MOST_EXPLAINED):
            try:
                asked = kind.questions(main, identifier, beside, last_seen)
            except MalformedAnswer:
                return None
            new = {one.path: documents.get(one.path) for one in asked if one.path not in beside}
            if not new:
                break
            beside = {**beside, **new}
        return _Gathered(main, beside)

    def _decoded(self, gathered: _Gathered) -> Entity | None:
        """Read an answer with what is remembered of the one before, and without."""
        kind, identifier = self.original.kind, self.original.target.id
        memo = Memo(self.memo)
        try:
            root = kind.decode(gathered.main, identifier, memo, gathered.beside)
        except MalformedAnswer as error:
            law("a refusal is one short line", holds=0 < len(str(error)) < 500)
            return None
        self.memo = memo
        if self.chance.random() < 0.2:
            plain = kind.decode(gathered.main, identifier, Memo(), gathered.beside)
            law("what is remembered of the last answer changes nothing", holds=plain == root)
            self._reordered(gathered, root)
        return root

    def _reordered(self, gathered: _Gathered, root: Entity) -> None:
        try:
            document = msgspec.json.decode(gathered.main)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # what the decoder skips need not be readable
        dialect = DIALECTS.get(self.original.target.kind)
        rows = [document]
        for name in dialect.unordered if dialect else ():
            lists = [row.get(name) for row in rows if isinstance(row, dict)]
            rows = []
            for unordered in lists:
                if isinstance(unordered, list):
                    self.chance.shuffle(unordered)
                    rows += unordered
        again = self.original.kind.decode(
            msgspec.json.encode(document), self.original.target.id, Memo(), gathered.beside
        )
        law("the order of lists means nothing", holds=again == root)

    def _take(self, root: Entity) -> int:
        before = self.seen
        after = keep_absent(before, Snapshot(self.original.target, self.now, root))
        difference = diff(before, after)
        self._check(before, after, difference)
        decision = self._decide(after, difference)
        check_events(after, difference, decision, self.state)
        dispatched = self._dispatch(after, decision)
        self._draw(after, decision, dispatched)
        self._remember(after, dispatched.state)
        return len(decision.events)

    def _remember(self, seen: Snapshot, state: TargetState) -> None:
        if seen.root.kind == APPROVALS:  # what it lacks is over, and not known any more
            self.statuses.clear()
        self.seen, self.state = seen, state
        self.statuses.update({(e.kind, e.id): e.status for _, e in seen.root.walk()})

    def _check(self, before: Snapshot | None, after: Snapshot, difference: Difference) -> None:
        statuses = {} if before is None else dict(self.statuses)
        for transition in difference.transitions:
            key = transition.entity.kind, transition.entity.id
            law(
                "a transition begins at the status last seen",
                holds=transition.before == statuses.get(key),
            )
            statuses[key] = transition.after
        for _, entity in after.root.walk():
            law(
                "transitions lead to the status that is",
                holds=before is None or statuses[entity.kind, entity.id] == entity.status,
            )
        ids = [(entity.kind, entity.id) for _, entity in after.root.walk()]
        law("an id stands in one place", holds=len(ids) == len(set(ids)))
        replaced = [(entity.kind, entity.id) for entity in after.replaced]
        law(
            "what was seen is not forgotten",
            holds=self.original.target.kind == approvals.NAME
            or self.statuses.keys() <= {*ids, *replaced},
        )

    def _decide(self, after: Snapshot, difference: Difference) -> events.Decision:
        decision = events.decide(
            self.seen, after, difference, self.state, now=self.now, stall_rules=_PATIENCE
        )
        events.wakes_at(after, decision.state, _PATIENCE)
        events.is_settled(after, decision.state, self.now)
        return decision

    def _dispatch(self, after: Snapshot, decision: events.Decision) -> Dispatch:
        scene = Scene(after, _DEFAULTS)
        return dispatch(
            scene,
            decision.events,
            decision.state,
            plan=Plan(group_interval=timedelta(minutes=5)),
            silences=(),
            keeps_cards=lambda destination: destination != "hook",
            now=self.now,
        )

    def _draw(self, after: Snapshot, decision: events.Decision, dispatched: Dispatch) -> None:
        if self.chance.random() > (0.3 if decision.events else 0.03):
            return
        messages = notifications.compose(
            render.View(after, dispatched.state, _LINKS),
            dispatched,
            earlier=self.state,
            keeps_cards=lambda destination: destination != "hook",
            cards={},
            previous={},
            users={},
        )
        keys = [notification.key for notification in messages.notifications]
        law("no two messages are one by their keys", holds=len(keys) == len(set(keys)))
        law("no message has the key of an earlier one", holds=self.keys.isdisjoint(keys))
        self.keys.update(keys)
        if self.chance.random() < 0.2:
            drawn = [card.message for card in messages.cards]
            drawn += [notification.message for notification in messages.notifications]
            for message in drawn:
                found = complaints(message)
                law(f"what is drawn is a message ({found})", holds=not found)

    def _take_again(self, gathered: _Gathered) -> None:
        """The same answer twice more: the first may confirm what needs a second one, no more."""
        for allowed in ({EventKind.STALLED, EventKind.REMOVED}, set()):
            root = self._decoded(gathered)
            assert root is not None
            assert self.seen is not None
            after = keep_absent(self.seen, Snapshot(self.seen.target, self.now, root))
            law(
                "the same answer again changes nothing",
                holds=(after.root, after.replaced) == (self.seen.root, self.seen.replaced),
            )
            difference = diff(self.seen, after)
            law(
                "the same answer again has no transitions",
                holds=difference == Difference((), has_moved=False),
            )
            decision = self._decide(after, difference)
            law(
                "the same answer again tells nothing",
                holds={event.kind for event in decision.events} <= allowed,
            )
            self._remember(after, self._dispatch(after, decision).state)

    def _restart(self) -> None:
        seen = decode_snapshot(encode_snapshot(self.seen))
        state = msgspec.json.decode(msgspec.json.encode(self.state), type=TargetState)
        law("what is stored comes back", holds=(seen, state) == (self.seen, self.state))
        self.seen, self.state, self.memo = seen, state, Memo()


def law(sentence: str, *, holds: bool) -> None:
    """Raise LawBrokenError unless it holds."""
    if not holds:
        raise LawBrokenError(sentence)


def check_events(
    after: Snapshot, difference: Difference, decision: events.Decision, earlier: TargetState | None
) -> None:
    """Check that what is told is what the document says."""
    reached = {
        (t.entity.kind, t.entity.id, phase_of(t.entity.kind, t.after))
        for t in difference.transitions
    }
    reached.update((e.kind, e.id, phase_of(e.kind, e.status)) for _, e in after.root.walk())
    for event in decision.events:
        key = event.entity.kind, event.entity.id
        match event.kind:
            case EventKind.FAILED:
                law("what failed has failed", holds=(*key, Phase.FAILED) in reached)
            case EventKind.SUCCEEDED:
                law("success is its own word", holds=after.root.phase is Phase.SUCCEEDED)
                law("success is of all parts", holds=_is_of_all(after.root))
            case EventKind.WAITING if not event.is_reminder:
                law("what waits waits", holds=(*key, Phase.WAITING) in reached)
            case EventKind.STARTED:
                law("what has ended does not start", holds=not after.root.phase.is_terminal)
            case _:
                pass
    kinds = Counter(event.kind for event in decision.events if event.level == 0)
    law("an end is told once", holds=kinds[EventKind.SUCCEEDED] <= 1)
    was_done = earlier is not None and earlier.ended is EventKind.SUCCEEDED
    again = was_done and decision.state.attempt == (earlier.attempt if earlier else 0)
    law(
        "success is told once in an attempt",
        holds=not (again and kinds[EventKind.SUCCEEDED]) or decision.state.attempt != 1,
    )


def _is_of_all(root: Entity) -> bool:
    """Whether no step and no unit contradicts a success; what explains them does not count."""
    parts = [part for step in root.children for part in (step, *step.children)]
    works = Counter((step.id, unit.work) for step in root.children for unit in step.children)
    if max(works.values(), default=0) > 1:
        return True  # what another one of the same install replaced may have failed
    is_release = root.kind == RELEASE
    present = (p for p in parts if not p.is_absent and (is_release or not is_refusal(p.status)))
    return not {Phase.FAILED, Phase.UNKNOWN}.intersection(part.phase for part in present)


# The long run


def main() -> None:
    """Share the documents out between processes, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, default=release.NAME)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--minutes", type=float, help="begin nothing new after so long")
    options = parser.parse_args()

    share = 5_000
    began = time.monotonic()
    until = began + options.minutes * 60 if options.minutes else float("inf")
    whole = Tally()
    seeds = range(options.seed * 1_000_000, options.seed * 1_000_000 + options.documents // share)
    shares = [seeds[i :: options.processes] for i in range(options.processes)]
    with ProcessPoolExecutor(options.processes) as pool:
        for tally in pool.map(
            partial(_run_all, kind=options.kind, share=share, until=until), shares
        ):
            whole += tally
    for sentence in whole.broken:
        print(sentence)  # noqa: T201
    print(  # noqa: T201
        f"{options.kind}, seed {options.seed}: {whole.mutants:,} mutants,"
        f" {whole.refused:,} refused, {whole.accepted:,} accepted, {whole.told:,} events,"
        f" {len(whole.broken)} failures, {time.monotonic() - began:.0f} s"
    )
    raise SystemExit(bool(whole.broken))


def _run_all(seeds: range, *, kind: str, share: int, until: float) -> Tally:
    tally = Tally()
    for seed in seeds:
        if time.monotonic() > until:
            break
        tally += run(seed, share, kind)
    return tally


if __name__ == "__main__":
    main()
