"""The first lines of a card: what is rolled out, how far it is, how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from monitor.compose.render.blocks import WORD_LIMIT, Element, Line, bold, date, line, link
from monitor.compose.render.links import URL_LIMIT
from monitor.compose.render.pages import given, links_to_origin
from monitor.compose.render.picture import Picture
from monitor.compose.render.room import Room
from monitor.decide.progress import Progress, starter_of, time_left
from monitor.model import Commit, Entity, Kind, Phase
from monitor.text import WEB_ADDRESS, counted, duration_words, first_line, plain, short_id

_MESSAGE_LIMIT = 120


def fact_lines(picture: Picture, room: Room) -> list[Line]:
    """Draw what is rolled out and, in one line, how far it is; then what the user adds."""
    lines: list[Line] = []
    if picture.root.kind is not Kind.APPROVALS:
        commit = commit_of(picture.root, picture.view.commits.get(picture.root.build_id))
        lines.append(line(*_between_dots(_origin(picture, commit, room))))
        if message := message_words(commit, room):
            lines.append(line(message))
    if not picture.root.kind.is_standing:
        lines.extend(_progress_lines(picture, room))
    lines.extend(_lines_of_the_user(picture, room))
    return lines


def _progress_lines(picture: Picture, room: Room) -> Iterator[Line]:
    root = picture.root
    if picture.progress.total:
        yield _progress_line(picture)
    elif root.description and not root.phase.is_terminal:
        yield line(
            f"{plain(root.status, WORD_LIMIT)}: {plain(root.description, min(200, room.words))}"
        )


def reached(picture: Picture, progress: Progress) -> str:
    return f"{progress.succeeded:,} of {counted(progress.total, picture.terms.unit)}"


def extras_of(progress: Progress) -> str:
    """Return how many units are neither done nor simply on their way; empty if none is."""
    waits = "waits" if progress.waiting == 1 else "wait"
    counts = (
        (progress.failed, "failed"),
        (progress.waiting, waits),
        (progress.ended, "ended otherwise"),
        (progress.unknown, "unknown"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def commit_of(entity: Entity, known: Commit | None = None) -> Commit:
    """Return what something was made from; `known` fills in what it does not say itself."""
    known = known or Commit("", "", "")
    return Commit(
        entity.revision or known.revision,
        entity.fact("message") or known.message,
        entity.fact("author_name") or known.author,
    )


def commit_words(commit: Commit, room: Room) -> str:
    """Return which commit or reference it is; empty where it is not known."""
    if re.fullmatch(r"[0-9a-f]{12,64}", commit.revision):
        return f"commit {commit.revision[:7]}"
    return f"from {plain(commit.revision, room.name)}" if commit.revision else ""


def message_words(commit: Commit, room: Room) -> str:
    """Return a commit's message by its first line, and its author; empty without a message."""
    message = first_line(commit.message, min(_MESSAGE_LIMIT, room.words))
    author = plain(commit.author, room.name, fallback="")
    return f"“{message}”{author and f' by {author}'}" if message else ""


Part = str | Element


def _between_dots(groups: Iterable[tuple[Part, ...]]) -> Iterator[Part]:
    for index, group in enumerate(groups):
        if index:
            yield " · "
        yield from group


def _origin(picture: Picture, commit: Commit, room: Room) -> Iterator[tuple[Part, ...]]:
    """Yield what is being rolled out, of what, by whom, since when, and where to see it."""
    root, view = picture.root, picture.view
    component = root.name or view.names.get(root.component_id, "")
    if picture.given_title and component and component not in picture.given_title:
        yield (plain(component, room.name),)
    yield (f"{root.kind} {short_id(root.id)}",)
    if source := commit_words(commit, room) or (
        root.build_id and f"build {short_id(root.build_id)}"
    ):
        yield (source,)
    if tag := _tag_of(picture, room):
        yield (f"image {tag}",)
    if picture.progress.total and picture.is_plan_only and any(s.units for s in picture.stages):
        yield ("a plan only, changes nothing",)
    if starter := starter_of(root, view.people):
        yield (f"by {plain(starter, room.name)}",)
    if root.created_at and not root.kind.is_standing:
        yield ("started ", date(root.created_at))
    for origin in links_to_origin(picture):
        yield (origin,)
    yield from ((page,) for page in _pages_of_installer(root))
    if before := given(view.previous_url, "the attempt before"):
        yield before


def _tag_of(picture: Picture, room: Room) -> str:
    """Return the artifact's tag, which is the same for all that it is deployed to."""
    artifacts = (
        below
        for stage in picture.stages
        for unit in stage.units
        if unit.children
        for below in unit.children
        if below.kind is Kind.ARTIFACT and below.fact("tag")
    )
    first = next(artifacts, None) if picture.root.kind is Kind.RELEASE else None
    return plain(first.fact("tag"), room.name, fallback="") if first else ""


# Of an installer's addresses those that lead a person somewhere, in our words.
_PAGES: Mapping[str, str] = {
    "homepage_url": "homepage",
    "documentation_url": "documentation",
    "community_url": "community",
    "github_url": "GitHub",
    "demo_url": "demo",
}


def _pages_of_installer(root: Entity) -> Iterator[Element]:
    if root.kind is Kind.INSTALLER:
        for fact, words in _PAGES.items():
            url = root.fact(fact).strip()
            if len(url) <= URL_LIMIT and WEB_ADDRESS.fullmatch(url):
                yield link(url, words)


def _lines_of_the_user(picture: Picture, room: Room) -> Iterator[Line]:
    """Yield what the user decided about it: that it is closed, silences, words of his own."""
    if picture.view.memory.is_closed:
        yield line("⏹ no longer watched: this is how it stood when the watch was removed")
    for silence in picture.view.silences[: room.lines]:
        yield line(f"🔕 {plain(silence, room.words)}")
    worded = picture.view.worded
    if worded is None:
        return
    for name, words in worded.fields[: room.lines]:
        yield line(bold(plain(name, room.name)), f": {plain(words, room.words)}")
    links = [given(url, plain(name, room.name)) for name, url in worded.links[: room.lines]]
    if any(links):
        yield line(*_between_dots(filter(None, links)))


_CELLS = 16


def _bar(progress: Progress) -> str:
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
    shown = bold(reached(picture, progress))
    return line(f"{_bar(progress)}  ", shown, *(f" · {word}" for word in words))


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
    left = time_left(picture.stages)
    return duration_words(left) if left else None
