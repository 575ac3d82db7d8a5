"""Asking for the documents that explain what failed, waits or is stuck.

The answer about a rollout says that a deploy failed; why is said by the deploy itself, by its
workflow or by its build. None of these is insisted on: what cannot be had in time leaves the poll
whole, and what comes later changes what the card shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from monitor.errors import NuonError, NuonNotFound, NuonRejected
from monitor.kinds import fields
from monitor.kinds.profile import LastSeen, WatchKind
from monitor.kinds.wire import Beside, Document, Question
from monitor.model import Entity
from monitor.platform.asking import ask_within
from monitor.platform.source import LARGE_BYTES, Answer, Source

log = structlog.get_logger(__name__)

_MOST_ASKED = 20
"""How many questions one poll asks; the others have their turn in the polls after it."""
_MOST_KEPT = 500
"""How many questions are considered for one target, and so how many answers are kept."""
_PATIENCE_SECONDS = 5.0
"""How long one poll waits for all of them: a failure without its reason comes before a late one."""
_MOST_ROUNDS = 5
"""How often answers may lead to more questions: a deploy to its workflow, that to a build."""
_ASK_AGAIN_AFTER_SECONDS = 30.0
"""At first, then twice as long each time: a reason may be stored after what it explains."""
_ASK_FOR_HIDDEN_AGAIN_AFTER_SECONDS = 600.0
"""Of what the platform does not show to us."""
_ASKED_AT_ONCE = 3
"""In how many polls in a row the same is asked where the answer is older than what it explains.

A replica that lags has not seen it fail, or does not have it yet.
"""
_LONGEST_AWAITED_SECONDS = 240.0
"""What was asked for again after a longer pause is not expected any more."""
_LONGEST_PAUSE_SECONDS = 3600.0
_LONGEST_PAUSE_OF_MOVING_SECONDS = 300.0
"""Of what moves by itself, where it does not come though it is there: it holds up every poll."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer whose body is put together once, though it is read in poll after poll."""

    fingerprint: bytes
    body: bytes
    next_page: bool


@dataclass(slots=True)
class _Asked:
    """A question that was asked, as the `turn`th. `subject` is what it was about, as of then.

    `times_behind` counts the answers in a row that were older than that.
    """

    subject: str | None
    answer: Answer | None
    turn: int
    asked_at: float
    pause: float
    times_behind: int

    @property
    def is_awaited(self) -> bool:
        is_lacking = self.answer is None or self.times_behind > 0
        return is_lacking and self.pause <= _LONGEST_AWAITED_SECONDS


class Explanations:
    """The explaining documents of one target: asked for within limits, kept while they hold."""

    def __init__(
        self, source: Source, kind: WatchKind, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds by a clock that nobody sets."""
        self._source = source
        self._kind = kind
        self._clock = clock
        self._asked: dict[str, _Asked] = {}
        self._turn = 0
        """Counts the questions: many are asked at the same instant."""
        self._questions: tuple[Question, ...] = ()
        self._made_of: tuple[bytes, Entity | None, frozenset[str]] | None = None

    async def ask(
        self, main: Answer, identifier: str, beside: Beside, last_seen: LastSeen, fingerprint: bytes
    ) -> Mapping[str, Answer | None]:
        """Return what explains these documents, by path; None for what could not be had.

        `fingerprint` is that of all documents. While it and what was last seen are the same, so
        are the questions, and no document is read to find them.
        """
        until = self._clock() + _PATIENCE_SECONDS
        asked_now: set[str] = set()
        if not self._is_made_of(fingerprint, last_seen):
            self._questions = await self._to_ask(main, identifier, beside, last_seen)
        for _ in range(_MOST_ROUNDS):
            due = self._due(asked_now)[: _MOST_ASKED - len(asked_now)]
            seconds = until - self._clock()
            if not due or seconds <= 0:
                break
            asked_now.update(question.path for question in due)
            if await self._ask_all(due, seconds):
                self._questions = await self._to_ask(main, identifier, beside, last_seen)
        self._made_of = fingerprint, last_seen.root, last_seen.stalled
        answers = self._answers()
        self._asked = {path: self._asked[path] for path in answers if path in self._asked}
        return answers

    @property
    def is_awaiting(self) -> bool:
        """Whether an answer is to be had soon: it has not come yet, or was an older one."""
        asked = [self._asked.get(question.path) for question in self._questions]
        return any(one is None or one.is_awaited for one in asked)

    def _is_made_of(self, fingerprint: bytes, last_seen: LastSeen) -> bool:
        if self._made_of is None:
            return False
        known, root, stalled = self._made_of
        return known == fingerprint and root is last_seen.root and stalled == last_seen.stalled

    async def _to_ask(
        self, main: Answer, identifier: str, beside: Beside, last_seen: LastSeen
    ) -> tuple[Question, ...]:
        questions = self._kind.questions
        if questions is None:
            return ()
        documents = {**beside, **documents_of(self._answers())}
        arguments = main.body, identifier, documents, last_seen
        if len(main.body) < LARGE_BYTES:
            return questions(*arguments)[:_MOST_KEPT]
        return (await asyncio.to_thread(questions, *arguments))[:_MOST_KEPT]

    def _answers(self) -> dict[str, Answer | None]:
        asked = {question.path: self._asked.get(question.path) for question in self._questions}
        return {path: one.answer if one else None for path, one in asked.items()}

    def _due(self, asked_now: Collection[str]) -> list[Question]:
        """Return what else to ask: what is new first, then what was asked the longest ago."""
        now = self._clock()
        new: list[Question] = []
        again: list[tuple[int, Question]] = []
        for question in self._questions:
            asked = self._asked.get(question.path)
            if question.path in asked_now:
                continue
            if asked is None or asked.subject != question.subject:
                new.append(question)
            elif now >= asked.asked_at + asked.pause:
                again.append((asked.turn, question))
        again.sort(key=lambda one: one[0])
        return new + [question for _, question in again]

    async def _ask_all(self, due: Sequence[Question], seconds: float) -> bool:
        """Ask, and return whether that brought anything that was not known."""
        outcomes = await ask_within(self._source, [question.path for question in due], seconds)
        brought = [self._note(question, outcomes[question.path]) for question in due]
        return any(brought)

    def _note(self, question: Question, outcome: Answer | NuonError) -> bool:
        """Remember an answer, or that there is none, and return whether that was not known."""
        before = self._asked.get(question.path)
        answer: Answer | None
        if not isinstance(outcome, NuonError):
            answer = _kept(outcome, before)
        elif isinstance(outcome, NuonNotFound) or before is None:
            answer = None  # there is no such thing, or none any more
        else:
            answer = before.answer  # of an earlier state: better than nothing
        is_new = before is None or answer is not before.answer
        error = outcome if isinstance(outcome, NuonError) else None
        if error is not None:
            # A token that may not read it will not by itself: that is for the operator to know.
            is_refused = before is None and isinstance(error, NuonRejected)
            report = log.warning if is_refused else log.debug
            report("explanation_missing", path=question.path, error=str(error))
        if before is not None and before.subject != question.subject:
            before = None
        times_behind = _times_behind(question, before, outcome)
        self._turn += 1
        self._asked[question.path] = _Asked(
            question.subject,
            answer,
            self._turn,
            asked_at=self._clock(),
            pause=_pause(question, before, error, times_behind),
            times_behind=times_behind,
        )
        return is_new


def _kept(answer: Answer, before: _Asked | None) -> Answer:
    """Return an answer to keep: the one before, where it is equal."""
    known = before.answer if before else None
    if known is not None and known.fingerprint == answer.fingerprint:
        return known
    return _Kept(answer.fingerprint, answer.body, answer.next_page)


def _times_behind(question: Question, before: _Asked | None, outcome: Answer | NuonError) -> int:
    """Count the answers in a row that are older than what they explain."""
    if isinstance(outcome, NuonError):
        is_behind = isinstance(outcome, NuonNotFound)
    else:
        is_behind = fields.is_behind(question, outcome.body)
    return (before.times_behind if before else 0) + 1 if is_behind else 0


def _pause(
    question: Question, before: _Asked | None, error: NuonError | None, times_behind: int
) -> float:
    """Return how long to wait before the same is asked again, in seconds.

    `before` is when it was asked last about the same state of its subject.
    """
    moves = question.subject is None
    if (moves and error is None) or 0 < times_behind < _ASKED_AT_ONCE:
        return 0.0
    is_hidden = isinstance(error, NuonRejected)
    first = _ASK_FOR_HIDDEN_AGAIN_AFTER_SECONDS if is_hidden else _ASK_AGAIN_AFTER_SECONDS
    if before is None:
        return first
    is_awaited = moves and not isinstance(error, NuonNotFound | NuonRejected)
    longest = _LONGEST_PAUSE_OF_MOVING_SECONDS if is_awaited else _LONGEST_PAUSE_SECONDS
    return max(first, min(before.pause * 2, longest))


def documents_of(answers: Mapping[str, Answer | None]) -> dict[str, Document | None]:
    """Return answers as the decoders take them."""
    return {
        path: Document(answer.body, answer.next_page) if answer else None
        for path, answer in answers.items()
    }
