"""Fetching all that one poll needs: a document and what it calls for, or a list's pages.

What is wanted is said by the kinds of watch, which do no I/O; it is asked for here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import xxhash

from monitor.errors import MalformedAnswer, NuonError, NuonNotFound
from monitor.kinds.profile import NOTHING_SEEN, Finder, LastSeen, WatchKind
from monitor.kinds.wire import Document, Wanted
from monitor.platform.explanations import Explanations, documents_of
from monitor.platform.source import LARGE_BYTES, Answer, Source

_MOST_ROUNDS = 50
"""How often more may be wanted: an answer that always calls for more is nonsense."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All documents of one poll; `fingerprint` is equal where all of them are."""

    main: Answer
    fingerprint: bytes
    beside: Mapping[str, Document | None]

    @property
    def is_large(self) -> bool:
        """Whether all of it is too much to be worked on in the event loop."""
        others = (len(one.body) for one in self.beside.values() if one is not None)
        return len(self.main.body) + sum(others) >= LARGE_BYTES


async def gather(
    source: Source,
    kind: WatchKind,
    identifier: str,
    last_seen: LastSeen = NOTHING_SEEN,
    explanations: Explanations | None = None,
    *,
    given: Mapping[str, Document] = MappingProxyType({}),
) -> Gathered:
    """Fetch a target's document, what belongs to it, and what explains it; raises NuonError.

    What only adds to the document may be missing: it then counts as not asked for. `given` are
    documents that are at hand.
    """
    gathered = await _belonging(source, kind, identifier, last_seen, given)
    if explanations is None:
        return gathered
    answers = await explanations.ask(
        gathered.main, identifier, gathered.beside, last_seen, gathered.fingerprint
    )
    if not answers:
        return gathered
    fingerprint = xxhash.xxh3_128(gathered.fingerprint)
    for path, answer in answers.items():
        fingerprint.update(path.encode())
        fingerprint.update(answer.fingerprint if answer else b"-")
    beside = {**gathered.beside, **documents_of(answers)}
    return Gathered(gathered.main, fingerprint.digest(), beside)


async def _belonging(
    source: Source,
    kind: WatchKind,
    identifier: str,
    last_seen: LastSeen,
    given: Mapping[str, Document],
) -> Gathered:
    main = await source.get(kind.path(identifier))
    if kind.further is None and not given:
        return Gathered(main, main.fingerprint, {})
    body = main.body
    beside: dict[str, Document | None] = dict(given)
    fingerprint = xxhash.xxh3_128(main.fingerprint)
    for document in given.values():
        fingerprint.update(document.body)
    if kind.further is None:
        return Gathered(main, fingerprint.digest(), beside)
    for _ in range(_MOST_ROUNDS):
        calls_for = kind.further(body, identifier, beside, last_seen.root)
        wanted = [one for one in calls_for if one.path not in beside]
        if not wanted:
            return Gathered(main, fingerprint.digest(), beside)
        for one, answer in zip(wanted, await _ask(source, wanted), strict=True):
            fingerprint.update(answer.fingerprint if answer else b"-")
            beside[one.path] = Document(answer.body, answer.next_page) if answer else None
    raise MalformedAnswer(f"the answer calls for more than {_MOST_ROUNDS} others, one by one")


async def _ask(source: Source, wanted: Sequence[Wanted]) -> list[Answer | None]:
    asked = (source.get(one.path) for one in wanted)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    kept: list[Answer | None] = []
    for one, answer in zip(wanted, answers, strict=True):
        if not isinstance(answer, BaseException):
            kept.append(answer)
        elif one.is_needed or not isinstance(answer, NuonError):
            raise answer
        else:
            kept.append(None)
    return kept


_PAGE_ROWS = 50
_OVERLAP_ROWS = 5
_MOST_PAGES = 40
_MOST_QUESTIONS = 500


async def pages(source: Source, path: str) -> AsyncIterator[Answer]:
    """Yield a list's pages, the newest rows first; raises NuonError.

    Rows that are removed while it is read pull up those below: so that none slips through
    between two pages, each begins a little before the end of the one before.
    """
    offset = 0
    for _ in range(_MOST_PAGES):
        page = await source.get(path, {"limit": str(_PAGE_ROWS), "offset": str(offset)})
        yield page
        if not page.next_page:
            return
        offset += _PAGE_ROWS - _OVERLAP_ROWS


async def located(source: Source, finder: Finder, identifier: str) -> str:
    """Return the id for a finder's paths; raises NuonError.

    That there is none is certain only where every question that could prove it was answered.
    """
    if finder.locate is None:
        return identifier
    beside: dict[str, Document | None] = {}
    doubt: NuonError | None = None
    for _ in range(_MOST_QUESTIONS):
        try:
            wanted = finder.locate(identifier, beside)
        except NuonNotFound as error:
            raise doubt or error from None
        if isinstance(wanted, str):
            return wanted
        try:
            answer = await source.get(wanted.path)
        except NuonError as error:
            if wanted.is_needed:
                raise
            if wanted.is_proof and not isinstance(error, NuonNotFound):
                doubt = doubt or error
            beside[wanted.path] = None
        else:
            beside[wanted.path] = Document(answer.body, answer.next_page)
    raise MalformedAnswer(f"more than {_MOST_QUESTIONS} answers do not lead to {identifier!r}")
