"""Asking for what explains an answer: within limits, each optional, kept while it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from monitor.errors import NuonError, NuonNotFound, NuonRejected, NuonUnavailable
from monitor.kinds import KINDS
from monitor.kinds.parts import WORKFLOW
from monitor.kinds.profile import LastSeen
from monitor.kinds.wire import Beside, Question
from monitor.model import Entity
from monitor.platform.explanations import Explanations
from monitor.platform.fetch import gather
from tests.support.builders import release
from tests.support.scripted_source import NEVER, Answer, ScriptedSource

RELEASE_ID = "rel1"
MAIN = "/v1/releases/rel1"


class Platform(ScriptedSource):
    """Answers whatever it is asked for, and notes that."""

    def take_asked(self) -> list[str]:
        asked, self.asked = [path for path in self.asked if path != MAIN], []
        return asked


@dataclass
class Asker:
    """Polls one target whose documents call for `questions`."""

    questions: list[Question] = field(default_factory=list)
    leads_to: dict[bytes, Question] = field(default_factory=dict)
    """Questions that follow from an answer."""
    platform: Platform = field(default_factory=lambda: Platform(otherwise=b"?"))
    now: float = 1000.0
    times_read: int = 0
    root: Entity | None = None
    stalled: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.platform.answers.setdefault(MAIN, b"main")
        self.kind = replace(KINDS["release"], questions=self._questions)
        self.explanations = Explanations(self.platform, self.kind, lambda: self.now)

    def _questions(
        self, main: bytes, identifier: str, beside: Beside, last_seen: LastSeen
    ) -> tuple[Question, ...]:
        assert identifier == RELEASE_ID
        self.times_read += 1
        bodies = [document.body for document in beside.values() if document is not None]
        return (*self.questions, *(self.leads_to[b] for b in bodies if b in self.leads_to))

    async def poll(self, *, after: float = 15.0) -> dict[str, bytes | None]:
        """Return what explains the target, by path."""
        self.now += after
        seen = LastSeen(self.root, self.stalled)
        found = await gather(self.platform, self.kind, RELEASE_ID, seen, self.explanations)
        self.fingerprint = found.fingerprint
        return {path: one.body if one else None for path, one in found.beside.items()}


async def test_an_answer_is_kept_while_its_subject_has_not_moved() -> None:
    asker = Asker([Question("/deploy", "error")])

    first, second = await asker.poll(), await asker.poll()

    assert first == second == {"/deploy": b"?"}
    assert asker.platform.take_asked() == ["/deploy"]


async def test_a_subject_that_moved_is_asked_about_at_once() -> None:
    asker = Asker([Question("/deploy", "error")])
    await asker.poll()

    asker.questions = [Question("/deploy", "active")]
    asker.platform.answers |= {MAIN: b"main 2", "/deploy": b"later"}

    assert await asker.poll(after=1) == {"/deploy": b"later"}


async def test_a_reason_that_comes_later_is_found_at_growing_intervals() -> None:
    asker = Asker([Question("/deploy", "error")])
    polls = []

    for second in range(0, 7200, 15):
        await asker.poll()
        polls += [second for _ in asker.platform.take_asked()]

    pauses = [late - early for early, late in pairwise(polls)]
    assert pauses == sorted(pauses)
    assert (pauses[0], max(pauses)) == (30, 1920)


async def test_what_moves_by_itself_is_asked_again_in_each_poll_but_once_in_one() -> None:
    asker = Asker([Question("/workflow")], leads_to={b"?": Question("/build", "bld1")})

    for _ in range(3):
        await asker.poll(after=1)

    assert asker.platform.take_asked() == ["/workflow", "/build", "/workflow", "/workflow"]


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (NuonUnavailable("away"), [30, 60, 120, 240, 300, 300]),
        (NuonNotFound("none"), [15, 15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (NuonRejected("403"), [600, 1200, 2400, 3600, 3600]),
    ],
    ids=["unavailable", "not found", "hidden"],
)
async def test_what_moves_by_itself_and_cannot_be_had_holds_up_few_polls(
    error: NuonError, pauses: list[int]
) -> None:
    asker = Asker([Question("/app")])
    asker.platform.answers["/app"] = error
    polls = []

    for second in range(0, sum(pauses) + 15, 15):
        await asker.poll()
        polls += [second for _ in asker.platform.take_asked()]
    asker.platform.answers["/app"] = b"there"
    await asker.poll(after=3600)
    asker.platform.take_asked()

    assert [late - early for early, late in pairwise(polls)] == pauses
    await asker.poll()
    assert asker.platform.take_asked() == ["/app"]


async def test_an_answer_may_lead_to_another_question() -> None:
    asker = Asker(
        [Question("/deploy", "error")],
        leads_to={b"deploy": Question("/workflow", "w"), b"workflow": Question("/build", "b")},
    )
    asker.platform.answers |= {"/deploy": b"deploy", "/workflow": b"workflow", "/build": b"why"}

    assert await asker.poll() == {"/deploy": b"deploy", "/workflow": b"workflow", "/build": b"why"}


async def test_answers_that_always_lead_to_more_come_to_an_end() -> None:
    asker = Asker([Question("/0", "x")])
    asker.platform.answers |= {f"/{i}": b"%d" % i for i in range(100)}
    asker.leads_to = {b"%d" % i: Question(f"/{i + 1}", "x") for i in range(99)}

    await asker.poll()

    assert len(asker.platform.take_asked()) == 5


async def test_one_poll_asks_few_questions_and_the_others_have_their_turn() -> None:
    questions = [Question(f"/{i}", "error") for i in range(50)]
    asker = Asker(questions)

    asked = []
    for _ in range(3):
        await asker.poll(after=1)
        asked.append(asker.platform.take_asked())

    assert [path for paths in asked for path in paths] == [one.path for one in questions]
    assert [len(paths) for paths in asked] == [20, 20, 10]


async def test_where_too_many_move_by_themselves_they_take_turns() -> None:
    asker = Asker([Question(f"/{i}") for i in range(30)])

    asked: list[str] = []
    for _ in range(30):
        await asker.poll()
        asked += asker.platform.take_asked()

    assert len(asked) == 600
    assert {asked.count(f"/{i}") for i in range(30)} <= {19, 20, 21}


@pytest.mark.parametrize(
    ("error", "asked_again_after"),
    [(NuonUnavailable("away"), 30), (NuonRejected("403"), 600)],
    ids=["unavailable", "hidden"],
)
async def test_what_cannot_be_had_leaves_the_poll_whole_and_is_asked_for_later(
    error: NuonError, asked_again_after: int
) -> None:
    asker = Asker([Question("/deploy", "error"), Question("/build", "error")])
    asker.platform.answers["/deploy"] = error

    assert await asker.poll() == {"/deploy": None, "/build": b"?"}

    asker.platform.take_asked()
    asker.platform.answers["/deploy"] = b"why"
    assert (await asker.poll(after=asked_again_after - 1))["/deploy"] is None
    assert (await asker.poll(after=1))["/deploy"] == b"why"


_UNDER_WAY = b'{"status": {"status": "in-progress"}}'
_FAILED = b'{"status": {"status": "error"}}'


@pytest.mark.parametrize("older", [_UNDER_WAY, NuonNotFound("none")], ids=["moves", "not there"])
async def test_an_answer_older_than_what_it_explains_is_asked_for_again_at_once(
    older: bytes | NuonError,
) -> None:
    """A replica that lags has not seen it fail, or does not have it yet."""
    asker = Asker([Question("/workflow", "error", WORKFLOW)])
    asker.platform.answers["/workflow"] = older
    await asker.poll()

    asker.platform.answers["/workflow"] = _FAILED

    assert await asker.poll(after=1) == {"/workflow": _FAILED}
    asker.platform.take_asked()
    await asker.poll(after=1)
    assert asker.platform.take_asked() == []


async def test_what_explains_a_target_is_awaited_while_it_may_come_soon() -> None:
    asker = Asker([Question("/workflow", "error", WORKFLOW), Question("/build", "error")])
    asker.platform.answers |= {"/workflow": _UNDER_WAY, "/build": NuonRejected("403")}

    await asker.poll()
    assert asker.explanations.is_awaiting

    asker.platform.answers["/workflow"] = _FAILED
    await asker.poll()
    assert not asker.explanations.is_awaiting


async def test_what_does_not_come_is_not_awaited_for_ever() -> None:
    asker = Asker([Question("/workflow", "error")])
    asker.platform.answers["/workflow"] = NuonUnavailable("away")

    seconds = 0
    while seconds < 3600:
        await asker.poll()
        if not asker.explanations.is_awaiting:
            break
        seconds += 15

    assert 60 < seconds < 600


async def test_what_goes_on_though_its_subject_failed_is_asked_for_few_times_in_a_row() -> None:
    asker = Asker([Question("/workflow", "error", WORKFLOW)])
    asker.platform.answers["/workflow"] = _UNDER_WAY
    polls = []

    for second in range(0, 150, 15):
        await asker.poll()
        polls += [second for _ in asker.platform.take_asked()]

    assert polls == [0, 15, 30, 60, 120]


async def test_what_the_token_may_not_read_is_logged_once_for_the_operator() -> None:
    asker = Asker([Question("/app"), Question("/deploy", "error")])
    asker.platform.answers |= {"/app": NuonRejected("403"), "/deploy": NuonNotFound("none")}

    with capture_logs() as logged:
        for _ in range(100):
            await asker.poll()

    warned = [one for one in logged if one["log_level"] == "warning"]
    assert [(one["event"], one["path"]) for one in warned] == [("explanation_missing", "/app")]


async def test_what_does_not_come_in_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.platform.explanations._PATIENCE_SECONDS", 0.05)
    asker = Asker([Question(f"/{i}", "error") for i in range(3)])
    asker.platform.answers |= {"/0": NEVER, "/1": b"why", "/2": NEVER}

    assert await asker.poll() == {"/0": None, "/1": b"why", "/2": None}


async def test_what_was_answered_before_stays_until_there_is_something_newer() -> None:
    asker = Asker([Question("/deploy", "planning")])
    await asker.poll()

    asker.questions = [Question("/deploy", "error")]
    asker.platform.answers |= {MAIN: b"main 2", "/deploy": NuonUnavailable("away")}

    assert await asker.poll() == {"/deploy": b"?"}


async def test_what_was_answered_before_is_not_kept_of_what_was_removed() -> None:
    asker = Asker([Question("/workflow")])
    await asker.poll()

    asker.platform.answers["/workflow"] = NuonNotFound("none")

    assert await asker.poll() == {"/workflow": None}


async def test_the_documents_are_read_again_only_where_something_is_new() -> None:
    asker = Asker([Question("/deploy", "error")])
    await asker.poll()
    read = asker.times_read

    await asker.poll(after=1)
    assert asker.times_read == read

    asker.stalled = frozenset({"dpl1"})
    await asker.poll(after=1)
    asker.root = release()
    await asker.poll(after=1)
    asker.platform.answers[MAIN] = b"main 2"
    await asker.poll(after=1)
    assert asker.times_read == read + 3


async def test_what_moves_by_itself_and_has_not_moved_is_asked_for_and_not_read_again() -> None:
    asker = Asker([Question("/app")])
    await asker.poll()
    read, fingerprint = asker.times_read, asker.fingerprint
    asker.platform.take_asked()

    await asker.poll()
    assert asker.platform.take_asked() == ["/app"]
    assert (asker.times_read, asker.fingerprint) == (read, fingerprint)

    asker.platform.answers["/app"] = b"moved"
    assert await asker.poll() == {"/app": b"moved"}
    assert asker.times_read > read


async def test_the_fingerprint_tells_a_new_explanation() -> None:
    asker = Asker([Question("/deploy", "error")])
    asker.platform.answers["/deploy"] = NuonUnavailable("away")
    fingerprints = []

    for answer in (NuonUnavailable("away"), b"why", b"why", b"why indeed"):
        asker.platform.answers["/deploy"] = answer
        await asker.poll(after=4000)
        fingerprints.append(asker.fingerprint)

    assert len(set(fingerprints)) == 3
    assert fingerprints[1] == fingerprints[2]


async def test_a_mistake_of_ours_is_not_taken_for_a_missing_explanation() -> None:
    asker = Asker([Question("/deploy", "error")])

    async def broken(path: str, params: Mapping[str, str] | None = None) -> Answer:
        if path == MAIN:
            return Answer(b"main")
        raise KeyError(path)

    asker.platform.get = broken  # type: ignore[method-assign]

    with pytest.raises(KeyError):
        await asker.poll()
