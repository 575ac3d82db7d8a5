"""What people were told against what happened: the demo and the tests judge by it.

The simulated platform knows everything that happened to a release, the simulated Slack
everything that a person could read. Nothing of the monitor's own bookkeeping is believed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise

from monitor.simulation.life import Deploy, Life, Occurrence, Rollout, Step
from monitor.simulation.retold import retold_in
from monitor.simulation.scenarios import install_of
from monitor.simulation.slack import Channel, Posted, plain_text
from monitor.simulation.truth import Meaning, Thing, meaning_of

_INSTALLS = dict(map(install_of, range(2000)))
# An install goes by the beginning of its id where the platform could not give its name.
_SHORT = {f"{id_[:7]}…": name for id_, name in _INSTALLS.items()}
_BRIEF = 60.0
"""Seconds that a status has to last to be seen by polls where no history tells of it."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Sentences that are missing, that were told more than once, and that are not true."""

    sentence_count: int
    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    false: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.repeated or self.false)


def audit(
    rollout: Rollout, channel: Channel, *, knows_waits: bool = True, until: float = math.inf
) -> Audit:
    """Compare a rollout's life with what the channel's members could read of it.

    `knows_waits` says that polls were frequent enough to see every wait for an approval,
    which no history tells afterwards. What was folded is no more lost than what has a sentence of
    its own. What happens later than `until`, in seconds, has not
    happened yet: whoever tells it is guessing.
    """
    story = _Story(_up_to(rollout, until))
    lines = Counter(_lines(channel.posts, story))
    expected = Counter(story.sentences())
    excused = set(story.brief()) | (set() if knows_waits else _waits(expected))
    missing = [line for line in expected - lines if line not in excused]
    lost = retold_in(channel.posts).without_excused(missing, story.ends)
    repeated = [line for line in lines if lines[line] > max(expected[line], 1)]
    false = [line for line in lines if line not in expected]
    return Audit(sum(lines.values()), tuple(lost), tuple(repeated), tuple(false))


def _waits(lines: Iterable[str]) -> set[str]:
    return {line for line in lines if line.endswith("needs approval")}


class _Story:
    """What people have to be told of a rollout, in short sentences of its dialect's words."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self.steps = {
            alias: self._subject(index)
            for index, step in enumerate(rollout.steps)
            for alias in self._aliases(index, step)
        }
        self.ends = {"✅": f"the {rollout.kind} succeeded", "❌": f"the {rollout.kind} failed"}

    def sentences(self) -> Iterator[str]:
        """Yield one for each thing that people have to be told."""
        root = self._rollout.life
        if root[0].kind is Thing.INSTALLER:  # it has no end, and its apps are no steps
            for step in self._rollout.steps:
                yield from self._of_units(step)
            return
        for index, step in enumerate(self._rollout.steps):
            done = _entered(step.life).count(Meaning.GOOD_END)
            yield from [f"{self._subject(index)} is done"] * done
            yield from self._of_units(step)
        ends = {Meaning.GOOD_END: self.ends["✅"], Meaning.BAD_END: self.ends["❌"]}
        met = _entered(root)
        if met[-1] is Meaning.GOOD_END and verdict_on(self._rollout) is not Meaning.GOOD_END:
            met.pop()
        yield from (ends[meaning] for meaning in met if meaning in ends)

    def brief(self) -> Iterator[str]:
        """Yield what may stay unsaid.

        It was over at once and no history tells of it, or a newer version of its config spoke
        for the app by then.
        """
        if self._rollout.dialect.has_histories:
            return
        for step in self._rollout.steps:
            for deploy in step.deploys:
                if _failed_overtaken(deploy, step):
                    yield f"{deploy.work} failed"
                if any(_is_brief_failure(*two) for two in pairwise(deploy.life)):
                    yield f"{deploy.work} failed"
                    yield f"{deploy.work} succeeded after failing"

    @cached_property
    def works(self) -> Mapping[str, str]:
        """What units work at, by every name that it goes by."""
        if self._rollout.dialect.unit == "install":
            return {**_SHORT, **{name: name for name in _INSTALLS.values()}}
        deploys = (deploy for step in self._rollout.steps for deploy in step.deploys)
        return {deploy.work: deploy.work for deploy in deploys}

    def work_in(self, text: str) -> str | None:
        """Return what a line is about, if it is about one unit."""
        found = self._names.findall(text)
        return self.works[found[0]] if len(found) == 1 else None

    def is_whole(self, subject: str) -> bool:
        """Whether a line is about the rollout: about neither a step nor a unit."""
        return subject not in self.steps and not self._names.search(subject)

    @cached_property
    def _names(self) -> re.Pattern[str]:
        # Of two names the longer one counts: `acme-prod-2` is not `acme-prod`.
        names = sorted(self.works, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])")

    def _subject(self, index: int) -> str:
        return f"{self._rollout.dialect.step} {index + 1} of {len(self._rollout.steps)}"

    def _aliases(self, index: int, step: Step) -> tuple[str, ...]:
        word, subject = self._rollout.dialect.step, self._subject(index)
        if not step.name:
            return (subject,)
        numbers = subject.removeprefix(f"{word} ")
        named = (step.name, f"{word} {step.name}")
        return (subject, *named, *(f"{name} ({numbers})" for name in (*named, word)))

    @staticmethod
    def _of_units(step: Step) -> Iterator[str]:
        failed: set[str] = set()
        for deploy in step.deploys:
            yield from _of_unit(deploy, failed)


def _of_unit(deploy: Deploy, failed: set[str]) -> Iterator[str]:
    for meaning in _entered(deploy.life):
        if meaning is Meaning.BAD_END:
            failed.add(deploy.work)
            yield f"{deploy.work} failed"
        elif meaning is Meaning.GOOD_END and deploy.work in failed:
            failed.discard(deploy.work)
            yield f"{deploy.work} succeeded after failing"
        elif meaning is Meaning.ASKS:
            yield f"{deploy.work} needs approval"


def _failed_overtaken(deploy: Deploy, step: Step) -> bool:
    """Whether a config failed when its app had a newer one already."""
    if deploy.life[0].kind is not Thing.APP_CONFIG:
        return False
    failed = _first_at(deploy, "error")
    return failed is not None and _is_overtaken(deploy, step, by=failed)


def _configs(step: Step) -> list[Deploy]:
    return [deploy for deploy in step.deploys if deploy.life[0].kind is Thing.APP_CONFIG]


def _first_at(deploy: Deploy, status: str) -> float | None:
    return next((o.at for o in deploy.life if o.status == status), None)


def _is_overtaken(deploy: Deploy, step: Step, *, by: float) -> bool:
    """Whether a newer config had begun by a moment."""
    return any(deploy.life[0].at < other.life[0].at <= by for other in _configs(step))


def _entered(life: Life) -> list[Meaning]:
    """Return what a life's statuses meant, in order, each once for as long as it held."""
    return [meaning for meaning, _ in groupby(meaning_of(o.kind, o.status) for o in life)]


def _is_brief_failure(one: Occurrence, then: Occurrence) -> bool:
    return meaning_of(one.kind, one.status) is Meaning.BAD_END and then.at - one.at < _BRIEF


_PHRASES = re.compile(
    r"^[^\w\s]+ (?P<subject>[^:]+?) "  # a mark: a line of links has none
    r"(?P<what>failed|was not approved|succeeded after failing|needs approval)\b"
)
_SAME = {"was not approved": "failed"}
_SUMMARY = re.compile(
    r"^[❌✅] (?:[\d,]+ more \w+ failed|[\d,]+ \w+ fails?|nothing fails any more)\b",
    re.MULTILINE,
)
_DONE = re.compile(r"^✅ (?P<subject>[^:]+?) done\b")
_ENDED = re.compile(
    r"^[✅❌] (?P<subject>[^·]+?) (?:failed|succeeded(?! after failing)|is on (?:all|its)|was \w+"
    r"|timed out|expired|found drift|is outdated)\b"
)


def _lines(posts: Sequence[Posted], story: _Story) -> Iterable[str]:
    """Yield the same short sentences as they can be read in the threads' replies."""
    for post in posts:
        if post.thread_ts is None or _SUMMARY.search(plain_text(post)):
            continue  # a summary repeats what the thread has one by one
        for line in plain_text(post).splitlines():
            yield from _sentence(line, story)


def _sentence(line: str, story: _Story) -> Iterable[str]:
    if match := _DONE.match(line):
        yield f"{story.steps.get(match['subject'], match['subject'])} is done"
    elif (match := _PHRASES.match(line)) and (work := story.work_in(match["subject"])):
        yield f"{work} {_SAME.get(match['what'], match['what'])}"
    elif (match := _ENDED.match(line)) and story.is_whole(match["subject"]):
        yield story.ends[line[:1]]


@dataclass(frozen=True, slots=True)
class CardSummary:
    """What a card has to say at least: how it ended, and how many units went well, of how many.

    `verdict` is a bad one as soon as any part has failed, and `OPEN` for whatever is neither.
    """

    verdict: Meaning
    succeeded: int
    total: int

    @property
    def says_it_succeeded(self) -> bool:
        return self.verdict is Meaning.GOOD_END


def summary_due(rollout: Rollout, until: float = math.inf) -> CardSummary:
    """Return what the card of a rollout has to say, of all but an installer's."""
    known = _up_to(rollout, until)
    units = [_last(unit.life) for unit in _newest_units(known)]
    # A workflow does not say beforehand which steps it will have.
    is_planned = known.dialect.unit == "install"
    total = sum(len(step.install_ids) for step in known.steps) if is_planned else len(units)
    verdict = verdict_on(known)
    if verdict is Meaning.OPEN and Meaning.BAD_END in units:
        verdict = Meaning.BAD_END
    return CardSummary(verdict, units.count(Meaning.GOOD_END), total)


def summary_on(card: Posted) -> CardSummary:
    """Return what a card says; one on which no units can be read has none."""
    text = plain_text(card)
    counts = _COUNTS.search(text)
    numbers = (counts["succeeded"], counts["total"]) if counts else ("0", "0")
    succeeded, total = (int(number.replace(",", "")) for number in numbers)
    return CardSummary(_VERDICTS.get(text[:1], Meaning.OPEN), succeeded, total)


_COUNTS = re.compile(r"(?P<succeeded>[\d,]+) of (?P<total>[\d,]+) (?:installs?|steps?) done\b")
_VERDICTS = {"✅": Meaning.GOOD_END, "❌": Meaning.BAD_END}


def verdict_on(rollout: Rollout) -> Meaning:
    """Return how a rollout ended, and `OPEN` while it has not.

    That it says so is not enough for a good end: its parts have to agree.
    """
    verdict = _last(rollout.life)
    if verdict is Meaning.BAD_END:
        return verdict
    agreeing = {Meaning.GOOD_END}
    if rollout.kind != "release":  # a workflow may leave out parts of it and end well
        agreeing.add(Meaning.OTHER_END)
    is_agreed = all(_last(unit.life) in agreeing for unit in _newest_units(rollout))
    return verdict if verdict is Meaning.GOOD_END and is_agreed else Meaning.OPEN


def _newest_units(rollout: Rollout) -> Iterator[Deploy]:
    """Yield the units that count: of several that work at the same, the one made last."""
    for step in rollout.steps:
        yield from {unit.work: unit for unit in step.deploys}.values()


def _last(life: Life) -> Meaning:
    return meaning_of(life[-1].kind, life[-1].status)


def _up_to(rollout: Rollout, seconds: float) -> Rollout:
    """Return a rollout as if nothing happened to it any more after a moment."""
    if seconds >= rollout.settles_after:
        return rollout
    steps = (
        replace(
            step,
            life=_begun(step.life, seconds),
            deploys=tuple(
                replace(unit, life=_begun(unit.life, seconds))
                for unit in step.deploys
                if unit.life[0].at <= seconds
            ),
        )
        for step in rollout.steps
    )
    return replace(rollout, life=_begun(rollout.life, seconds), steps=tuple(steps))


def _begun(life: Life, seconds: float) -> Life:
    return tuple(o for o in life if o.at <= seconds)


def changes_of(rollout: Rollout) -> Counter[Thing]:
    """Count what happened on the platform, by what it happened to."""
    return Counter(occurrence.kind for occurrence in rollout.occurrences)
