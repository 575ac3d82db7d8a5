"""The facts of a card: of which app it is, how far it is and how long it takes, and small print."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.compose.render.blocks import (
    WORD_LIMIT,
    Element,
    Line,
    between_dots,
    bold,
    date,
    line,
    link,
)
from monitor.compose.render.budget import Budget
from monitor.compose.render.layout import Layout
from monitor.compose.render.links import URL_LIMIT
from monitor.compose.render.pages import given, links_to_origin
from monitor.compose.render.phases import TROUBLES
from monitor.decide.progress import Progress, starter_of, time_left
from monitor.model import Commit, Entity, Phase
from monitor.text import WEB_ADDRESS, counted, duration_words, first_line, plain, short_id

_MESSAGE_LIMIT = 120


def fact_lines(layout: Layout, budget: Budget) -> list[Line]:
    """Draw of which app it is, where it is and for how long; nothing that stays as it is."""
    root = layout.root
    if layout.profile.is_list_of_waits:
        return []
    app = layout.app_name(budget.name)
    facts = (
        (bold(app),) if app else (),
        (_component_of(layout, budget),),
        (_version_of(root, budget),),
        *((words,) for words in _words_for_where(layout)),
        (_status_words(layout, budget),),
        ("a plan only, changes nothing" if _is_only_planned(layout) else "",),
    )
    where = between_dots(facts)
    return [where] if where else []


def _words_for_where(layout: Layout) -> Iterator[str]:
    """Yield at which step it is or stopped, what was not attempted, and how long it took."""
    if layout.root.kind.is_perpetual or not layout.progress.total:
        return
    phase, is_several = layout.root.phase, len(layout.stages) > 1
    if phase is Phase.FAILED:
        if layout.failed is not None and is_several:
            yield f"stopped at {layout.step_words(layout.failed)}"
        if left := layout.progress.pending:
            yield f"{counted(left, layout.terms.unit)} not attempted"
    elif phase is not Phase.SUCCEEDED and layout.current is not None and is_several:
        yield layout.step_words(layout.current)
    yield from _time_words(layout)


def _status_words(layout: Layout, budget: Budget) -> str:
    """Return the platform's own words for where it is, while there is nothing to count."""
    root = layout.root
    if layout.progress.total or not root.description or root.phase.is_terminal:
        return ""
    is_explained = root.phase in TROUBLES
    words = plain(root.description, min(200, budget.words))
    return "" if is_explained else f"{plain(root.status, WORD_LIMIT)}: {words}"


def small_print(layout: Layout, budget: Budget) -> list[Line]:
    """Draw what it was made from, by whom it was started, when, and its id."""
    root, view = layout.root, layout.view
    if layout.profile.is_list_of_waits:
        return [line("updated ", date(layout.changed_at))]
    commit = commit_of(root, view.commits.get(root.build_id))
    starter = starter_of(root, view.people)
    words = (
        " ".join(filter(None, (_built_from(root, commit, budget), message_words(commit, budget)))),
        _tag_of(layout, budget),
        f"started by {plain(starter, budget.name)}" if starter else "",
        f"{root.kind} {plain(root.id, budget.name, fallback='(no id)')}",
    )
    is_begun = root.created_at and not root.kind.is_perpetual
    return [
        *(line(one) for one in words if one),
        *([line("started ", date(root.created_at))] if is_begun and root.created_at else []),
        line("updated ", date(layout.changed_at)),
        *(line(link) for link in links_to_origin(layout)),
    ]


def links_of(layout: Layout) -> Iterator[Element | str]:
    """Yield further links: to the rollout's own addresses, and to the attempt before."""
    yield from _addresses_of(layout)
    yield from given(layout.view.previous_url, "Attempt before")


def reached(layout: Layout, progress: Progress) -> str:
    return f"{progress.succeeded:,} of {counted(progress.total, layout.terms.unit)} done"


def extras_of(progress: Progress) -> str:
    """Return how many units are neither done nor simply on their way; empty if none is."""
    counts = (
        (progress.failed, "failed"),
        (progress.waiting, "waiting"),
        (progress.ended, "ended otherwise"),
        (progress.unknown, "unknown"),
    )
    return " · ".join(f"{count:,} {word}" for count, word in counts if count)


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


def lines_of_the_user(layout: Layout, budget: Budget) -> Iterator[Line]:
    """Yield what the user decided about it: that it is closed, silences, fields of their own."""
    if layout.view.state.is_closed:
        yield line("⏹ no longer watched: this was the state when the watch was removed")
    for silence in layout.view.silences[: budget.lines]:
        yield line(f"🔕 {plain(silence, budget.words)}")
    fields = layout.view.filled.fields if layout.view.filled else ()
    for name, words in fields[: budget.lines]:
        yield line(bold(plain(name, budget.name)), f": {plain(words, budget.words)}")


def links_of_the_user(layout: Layout, budget: Budget) -> Iterator[Element | str]:
    """Yield links of the user's own, such as one to a runbook."""
    filled = layout.view.filled
    for name, url in filled.links[: budget.lines] if filled else ():
        yield from given(url, plain(name, budget.name))


_CELLS = 10


def progress_line(layout: Layout) -> Line:
    """Draw how many units are done, failed and left."""
    words = " · ".join(filter(None, (extras_of(layout.progress), _words_for_left(layout))))
    shown = bold(reached(layout, layout.progress))
    return line(f"{_bar(layout)}  ", shown, words and f" · {words}")


def _words_for_left(layout: Layout) -> str:
    is_over = layout.root.phase is Phase.FAILED
    left, running = layout.progress.pending, layout.progress.running
    if is_over:
        return f"{left:,} not attempted" if left else ""
    return " · ".join(
        f"{count:,} {word}" for count, word in ((running, "running"), (left, "to go")) if count
    )


def _bar(layout: Layout) -> str:
    """Full of green only when all are done and so is the whole; no bad end is left out."""
    progress = layout.progress
    bad = [
        (progress.failed, "🟥"),
        (progress.waiting + progress.ended + progress.unknown, "🟨"),
    ]
    is_done = layout.root.phase is Phase.SUCCEEDED and progress.succeeded == progress.total
    shares = [(max(1, count * _CELLS // progress.total), cell) for count, cell in bad if count]
    space = _CELLS - sum(share for share, _ in shares) - (0 if is_done or shares else 1)
    done = min(progress.succeeded * _CELLS // progress.total, space)
    done = max(done, 1 if progress.succeeded else 0)
    cells = f"{'🟩' * done}{''.join(cell * share for share, cell in shares)}"
    return f"{cells}{'⬜' * _CELLS}"[:_CELLS]


def _time_words(layout: Layout) -> Iterator[str]:
    if layout.duration is None:
        return
    spent = duration_words(layout.duration)
    if layout.root.phase is Phase.SUCCEEDED:
        yield f"took {spent}"
    elif layout.root.phase is Phase.FAILED:
        yield f"after {spent}"
    elif (left := _words_for_time_left(layout)) is not None:
        yield f"running {spent}, about {left} left"
    else:
        yield f"running {spent}"


def _words_for_time_left(layout: Layout) -> str | None:
    """Return an estimate only while nothing stands in the way."""
    progress = layout.progress
    if layout.root.phase is not Phase.RUNNING or layout.stalls:
        return None
    if progress.failed or progress.waiting or progress.ended or progress.unknown:
        return None
    left = time_left(layout.stages)
    return duration_words(left) if left else None
