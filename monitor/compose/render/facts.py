"""The first lines of a card: what is rolled out, how far it is, how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from monitor.compose.render.blocks import WORD_LIMIT, Element, Line, bold, date, line, link
from monitor.compose.render.budget import Budget
from monitor.compose.render.layout import Layout
from monitor.compose.render.links import URL_LIMIT
from monitor.compose.render.pages import given, links_to_origin
from monitor.decide.progress import Progress, starter_of, time_left
from monitor.model import Commit, Entity, Phase
from monitor.text import WEB_ADDRESS, counted, duration_words, first_line, plain, short_id

_MESSAGE_LIMIT = 120


def fact_lines(layout: Layout, budget: Budget) -> list[Line]:
    """Draw what is rolled out and, in one line, how far it is; then what the user adds."""
    lines: list[Line] = []
    if not layout.profile.is_list_of_waits:
        commit = commit_of(layout.root, layout.view.commits.get(layout.root.build_id))
        lines.append(line(*_between_dots(_origin(layout, commit, budget))))
        if message := message_words(commit, budget):
            lines.append(line(message))
    if not layout.root.kind.is_perpetual:
        lines.extend(_progress_lines(layout, budget))
    lines.extend(_lines_of_the_user(layout, budget))
    return lines


def _progress_lines(layout: Layout, budget: Budget) -> Iterator[Line]:
    root = layout.root
    if layout.progress.total:
        yield _progress_line(layout)
    elif root.description and not root.phase.is_terminal:
        yield line(
            f"{plain(root.status, WORD_LIMIT)}: {plain(root.description, min(200, budget.words))}"
        )


def reached(layout: Layout, progress: Progress) -> str:
    return f"{progress.succeeded:,} of {counted(progress.total, layout.terms.unit)}"


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


def commit_words(commit: Commit, budget: Budget) -> str:
    """Return which commit or reference it is; empty where it is not known."""
    if re.fullmatch(r"[0-9a-f]{12,64}", commit.revision):
        return f"commit {commit.revision[:7]}"
    return f"from {plain(commit.revision, budget.name)}" if commit.revision else ""


def source_words(entity: Entity, budget: Budget) -> str:
    """Return which commit of which branch something was made from; empty where neither is known."""
    branch = plain(entity.fact("branch"), budget.name, fallback="")
    commit = commit_words(commit_of(entity), budget)
    return " ".join(filter(None, (commit, branch and f"on {branch}")))


def message_words(commit: Commit, budget: Budget) -> str:
    """Return a commit's message by its first line, and its author; empty without a message."""
    message = first_line(commit.message, min(_MESSAGE_LIMIT, budget.words))
    author = plain(commit.author, budget.name, fallback="")
    return f"“{message}”{author and f' by {author}'}" if message else ""


Part = str | Element


def _between_dots(groups: Iterable[tuple[Part, ...]]) -> Iterator[Part]:
    for index, group in enumerate(groups):
        if index:
            yield " · "
        yield from group


def _origin(layout: Layout, commit: Commit, budget: Budget) -> Iterator[tuple[Part, ...]]:
    """Yield what is being rolled out, of what, by whom, since when, and where to see it."""
    root, view = layout.root, layout.view
    facts = (
        _component_of(layout, budget),
        f"{root.kind} {short_id(root.id)}",
        _version_of(root, budget),
        _built_from(root, commit, budget),
        _tag_of(layout, budget),
        "a plan only, changes nothing" if _is_only_planned(layout) else "",
        _starter_of(layout, budget),
    )
    yield from ((fact,) for fact in facts if fact)
    if root.created_at and not root.kind.is_perpetual:
        yield ("started ", date(root.created_at))
    yield from ((origin,) for origin in links_to_origin(layout))
    yield from ((page,) for page in _addresses_of(layout))
    if before := given(view.previous_url, "the attempt before"):
        yield before


def _component_of(layout: Layout, budget: Budget) -> str:
    """Return the component's name where the user's title does not say it already."""
    component = layout.root.name or layout.view.names.get(layout.root.component_id, "")
    is_in_title = not layout.given_title or component in layout.given_title
    return "" if is_in_title or not component else plain(component, budget.name)


def _version_of(root: Entity, budget: Budget) -> str:
    version = plain(root.fact("version"), budget.name, fallback="")
    return f"version {version}" if version else ""


def _built_from(root: Entity, commit: Commit, budget: Budget) -> str:
    """Return the commit or the build, with its repository and branch."""
    words = commit_words(commit, budget) or (root.build_id and f"build {short_id(root.build_id)}")
    repository = plain(root.fact("repository"), budget.name, fallback="")
    branch = plain(root.fact("branch"), budget.name, fallback="")
    if branch == commit.revision:
        branch = ""
    of, on = repository and f"of {repository}", branch and f"on {branch}"
    return " ".join(filter(None, (words, of, on)))


def _is_only_planned(layout: Layout) -> bool:
    has_units = layout.progress.total > 0 and any(stage.units for stage in layout.stages)
    return has_units and layout.is_plan_only


def _starter_of(layout: Layout, budget: Budget) -> str:
    starter = starter_of(layout.root, layout.view.people)
    return f"by {plain(starter, budget.name)}" if starter else ""


def _tag_of(layout: Layout, budget: Budget) -> str:
    """Return the image's tag, which is the same for all that it is deployed to."""
    artifacts = (
        below
        for stage in layout.stages
        for unit in stage.units
        if unit.children
        for below in unit.children
        if below.fact("tag")
    )
    first = next(artifacts, None)
    tag = plain(first.fact("tag"), budget.name, fallback="") if first else ""
    return f"image {tag}" if tag else ""


def _addresses_of(layout: Layout) -> Iterator[Element]:
    """Yield links to the addresses that the root itself names."""
    for fact, words in layout.profile.address_facts.items():
        url = layout.root.fact(fact).strip()
        if len(url) <= URL_LIMIT and WEB_ADDRESS.fullmatch(url):
            yield link(url, words)


def _lines_of_the_user(layout: Layout, budget: Budget) -> Iterator[Line]:
    """Yield what the user decided about it: that it is closed, silences, words of his own."""
    if layout.view.state.is_closed:
        yield line("⏹ no longer watched: this is how it stood when the watch was removed")
    for silence in layout.view.silences[: budget.lines]:
        yield line(f"🔕 {plain(silence, budget.words)}")
    filled = layout.view.filled
    if filled is None:
        return
    for name, words in filled.fields[: budget.lines]:
        yield line(bold(plain(name, budget.name)), f": {plain(words, budget.words)}")
    links = [given(url, plain(name, budget.name)) for name, url in filled.links[: budget.lines]]
    if any(links):
        yield line(*_between_dots(filter(None, links)))


_CELLS = 16


def _bar(progress: Progress) -> str:
    """Full only when all are done, empty only when none is."""
    cells = progress.succeeded * _CELLS // progress.total
    done = max(cells, 1 if progress.succeeded else 0)
    return "▓" * done + "░" * (_CELLS - done)


def _progress_line(layout: Layout) -> Line:
    root, progress = layout.root, layout.progress
    words = [extras] if (extras := extras_of(progress)) else []
    if not root.phase.is_terminal and layout.current is not None:
        words.append(layout.step_words(layout.current))
    words.extend(_time_words(layout))
    shown = bold(reached(layout, progress))
    return line(f"{_bar(progress)}  ", shown, *(f" · {word}" for word in words))


def _time_words(layout: Layout) -> Iterator[str]:
    if layout.duration is None:
        return
    spent = duration_words(layout.duration)
    if layout.root.phase is Phase.SUCCEEDED:
        yield f"took {spent}"
    elif layout.root.phase is Phase.FAILED:
        yield f"after {spent}"
    elif (left := _words_for_time_left(layout)) is not None:
        yield f"{spent}, about {left} to go"
    else:
        yield spent


def _words_for_time_left(layout: Layout) -> str | None:
    """Return an estimate only while nothing stands in the way."""
    progress = layout.progress
    if layout.root.phase is not Phase.RUNNING or layout.stalls:
        return None
    if progress.failed or progress.waiting or progress.ended or progress.unknown:
        return None
    left = time_left(layout.stages)
    return duration_words(left) if left else None
