"""What people read of things that were told together, after a time in which nothing could be sent.

Not each of them has a sentence of its own then: a count stands for several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.simulation.slack import Posted, plain_text

_AWAY = re.compile(r"while Slack was away", re.IGNORECASE)
_FAILED = re.compile(r"(?P<count>[\d,]+) failed")
_RECOVERED = re.compile(r"(?P<count>[\d,]+) recovered")
_NEVER_COUNTED = (" is done", "waits for an approval")


@dataclass(frozen=True, slots=True)
class Retold:
    """How many failures and recoveries are counted in what was told late."""

    is_any: bool
    failed: int
    recovered: int
    card_marks: frozenset[str]

    def without_excused(self, lost: Iterable[str], ends: Mapping[str, str]) -> Iterator[str]:
        """Yield the sentences that are missing, and that no count and no card stands for.

        `ends` has the sentences of a rollout's ends, by the marks that its card then begins with.
        """
        failed, recovered = self.failed, self.recovered
        by_end = {sentence: mark for mark, sentence in ends.items()}
        for line in lost:
            if line in by_end:
                is_excused = by_end[line] in self.card_marks
            elif line.endswith(" failed"):
                is_excused, failed = failed > 0, failed - 1
            elif line.endswith(" succeeded after failing"):
                is_excused, recovered = recovered > 0, recovered - 1
            else:
                is_excused = line.endswith(_NEVER_COUNTED)
            if not (self.is_any and is_excused):
                yield line


def retold_in(posts: Sequence[Posted]) -> Retold:
    """Return what posts say of a time in which nothing could be sent."""
    texts = {post.ts: plain_text(post) for post in posts}
    away = [text for text in texts.values() if _AWAY.search(text)]
    alone = [texts[post.ts] for post in posts if post.thread_ts is None]
    counts = [line for line in _lines(away) if _is_count(line)]
    return Retold(
        is_any=bool(away),
        failed=sum(_count(_FAILED, line) for line in counts),
        recovered=sum(_count(_RECOVERED, line) for line in counts),
        card_marks=frozenset(line[:1] for line in _lines([*away, *alone])),
    )


def _lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines()]


def _is_count(line: str) -> bool:
    return line.startswith("while Slack was away") or " meanwhile" in line


def _count(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.search(line)
    return int(found["count"].replace(",", "")) if found else 0
