"""The first lines of a card: what is rolled out, how far it is, how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor import rollout
from monitor.model import Phase
from monitor.render.blocks import URL_LIMIT, WORD_LIMIT, Element, Line, bold, date, line, link
from monitor.render.picture import Picture
from monitor.text import counted, duration_words, plain, short_id


def fact_lines(picture: Picture) -> list[Line]:
    """Draw what is rolled out and, in one line, how far it is."""
    lines = [line(*_origin(picture))]
    if picture.progress.total:
        lines.append(_progress_line(picture))
    elif picture.root.description and not picture.root.phase.is_terminal:
        status = plain(picture.root.status, WORD_LIMIT)
        lines.append(line(f"{status}: {plain(picture.root.description, 200)}"))
    return lines


def reached(progress: rollout.Progress) -> str:
    return f"{progress.succeeded:,} of {counted(progress.total, 'install')}"


def extras_of(progress: rollout.Progress) -> str:
    """Return how many units are neither done nor simply on their way; empty if none is."""
    waits = "waits" if progress.waiting == 1 else "wait"
    counts = (
        (progress.failed, "failed"),
        (progress.waiting, waits),
        (progress.ended, "ended otherwise"),
        (progress.unknown, "unknown"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _origin(picture: Picture) -> Iterator[str | Element]:
    """Yield what is being rolled out, of what, by whom, since when."""
    root, view = picture.root, picture.view
    component = root.name or view.names.get(root.component_id, "")
    if view.title and component and component != view.title:
        yield f"{plain(component, 60)} · "
    yield f"{root.kind} {short_id(root.id)}"
    if re.fullmatch(r"[0-9a-f]{12,64}", root.revision):
        yield f" · commit {root.revision[:7]}"
    elif root.revision:
        yield f" · from {plain(root.revision, WORD_LIMIT)}"
    elif root.build_id:
        yield f" · build {short_id(root.build_id)}"
    if picture.progress.total and picture.is_plan_only and any(s.units for s in picture.stages):
        yield " · a plan only, changes nothing"
    if root.created_by:
        yield f" · by {plain(root.created_by, 60)}"
    if root.created_at:
        yield " · started "
        yield date(root.created_at)
    if view.previous_url and len(view.previous_url) <= URL_LIMIT:
        yield " · "
        yield link(view.previous_url, "the attempt before")


_CELLS = 16


def _bar(progress: rollout.Progress) -> str:
    """Full only when all are done, empty only when none is."""
    cells = progress.succeeded * _CELLS // progress.total
    done = max(cells, 1 if progress.succeeded else 0)
    return "▓" * done + "░" * (_CELLS - done)


def _progress_line(picture: Picture) -> Line:
    root, progress = picture.root, picture.progress
    words = [extras] if (extras := extras_of(progress)) else []
    if not root.phase.is_terminal and picture.current is not None:
        words.append(picture.step_words(picture.current))
    words.extend(_time_words(picture))
    return line(f"{_bar(progress)}  ", bold(reached(progress)), *(f" · {word}" for word in words))


def _time_words(picture: Picture) -> Iterator[str]:
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


def _words_for_time_left(picture: Picture) -> str | None:
    """Return an estimate only while nothing stands in the way."""
    progress = picture.progress
    if picture.root.phase is not Phase.RUNNING or picture.stalls:
        return None
    if progress.failed or progress.waiting or progress.ended or progress.unknown:
        return None
    left = rollout.time_left(picture.stages)
    return duration_words(left) if left else None
