"""The sentences of messages about one rollout: of what happened, and of its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.compose.render.blocks import TITLE_LIMIT, WORD_LIMIT
from monitor.compose.render.headlines import headline_of, start_words
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import Item, clause_of, units_words
from monitor.compose.render.sentences import SENTENCE_LIMIT, Clause, sentence
from monitor.decide.progress import starter_of
from monitor.model import Phase
from monitor.text import plain

_MOST_OF_OTHERS = 45
"""Characters of a sentence that further news may take."""


def sentence_of_news(layout: Layout, news: Sequence[Item]) -> str:
    """Return a sentence on the first of the news, and on the others as far as there is room."""
    if not news:
        return sentence(lambda _: Clause(headline_of(layout)))
    first, *others = news
    if others and _is_explained_by(layout, first, others[0]):
        explained_by = others.pop(0)

        def draw(names: int) -> Clause:
            return _with_reason(
                layout, f"{first.mark} {layout.title} {first.one}", explained_by, names
            )
    else:

        def draw(names: int) -> Clause:
            return clause_of(layout, first, names)

    ending = _ending(layout, others)
    return f"{sentence(draw, SENTENCE_LIMIT - len(ending))}{ending}"


def sentence_of_state(layout: Layout, troubles: Sequence[Item]) -> str:
    """Return a sentence on the state of the whole, and on what is in trouble."""
    if not layout.view.state.is_closed:
        return _state(layout, troubles)
    ending = "; no longer watched"
    words = _state(layout, troubles)
    return f"{plain(words, SENTENCE_LIMIT - len(ending))}{ending}"


def _state(layout: Layout, troubles: Sequence[Item]) -> str:
    root, headline = layout.root, headline_of(layout)
    is_over = root.phase is Phase.SUCCEEDED or root.kind.is_perpetual
    if troubles and root.phase is Phase.FAILED:
        return sentence(lambda names: _with_reason(layout, headline, troubles[0], names))
    if troubles and not is_over:
        return sentence(lambda names: clause_of(layout, troubles[0], names))
    if root.phase is Phase.RUNNING and not layout.progress.succeeded:
        starter = plain(starter_of(root, layout.view.people), WORD_LIMIT, fallback="")
        by = f", by {starter}" if starter else ""
        title = plain(layout.title, TITLE_LIMIT)
        return sentence(lambda _: Clause(f"🔵 {title} {start_words(layout)}{by}"))
    return sentence(lambda _: Clause(headline))


def _is_explained_by(layout: Layout, first: Item, other: Item) -> bool:
    """Whether the whole failed and one of its parts says why."""
    is_whole = first.subject == layout.title and not first.units
    return is_whole and not first.reason and bool(other.units and other.reason)


def _with_reason(layout: Layout, says: str, trouble: Item, names: int) -> Clause:
    where = units_words(layout, trouble.units, names) if trouble.units else ""
    return Clause(f"{says}; {where}" if where else says, trouble.reason)


def _ending(layout: Layout, others: Sequence[Item]) -> str:
    """Return what the further news are, or how many."""
    if not others:
        return ""
    clauses = "".join(f"; {clause}" for clause in _short_clauses(layout, others))
    if len(clauses) <= _MOST_OF_OTHERS:
        return clauses
    return f"; {len(others):,} more {'change' if len(others) == 1 else 'changes'}"


def _short_clauses(layout: Layout, items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        subject = units_words(layout, item.units, 1) if item.units else item.subject
        yield f"{subject} {plain(item.says, TITLE_LIMIT, fallback='')}".strip()
