"""One message of each form, drawn from the built-in samples: to be tried on Slack, never posted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from monitor.cli.support.samples import Sample, sample
from monitor.compose import render
from monitor.compose.assembly import view_of
from monitor.model import Entity, EventKind, Message, Phase

_MANY = 150
_NIGHT, _WEEK = timedelta(hours=9), timedelta(days=7)
_REASON = "it answered 503: upstream connect error"


class Specimen(NamedTuple):
    """A message, and what it is called in a sentence."""

    name: str
    message: Message


def specimens(links: render.Links, now: datetime) -> Iterator[Specimen]:
    """Yield a message of each form, with what makes it large where there is such a thing."""
    made = sample("release", EventKind.FAILED, now)
    if made is None:
        raise RuntimeError("the sample of a failed release is missing")
    view = _view(made, links)
    yield Specimen("a card", render.card(view))
    yield Specimen("a reply", render.reply(view, made.events))
    yield Specimen("a message of its own", render.standalone(view, made.events))
    if table := render.table(_with_many_failures(view), is_kept=True):
        yield Specimen("the table of what fails", table)
    since = now - timedelta(minutes=2)
    yield Specimen("a notice", render.unreachable("Nuon", _REASON, since, is_platform=True))
    yield Specimen("a summary", sample_summary(links, now))
    yield Specimen("a digest", sample_digest(links, now))


def sample_summary(links: render.Links, now: datetime) -> Message:
    """Return what is sent at the end of quiet hours."""
    url = links.install("inl1")
    lines = (
        render.SummaryLine("billing", "recovered: acme-prod failed", url, EventKind.RECOVERED),
        render.SummaryLine("search", "is on all 6 installs", url, EventKind.SUCCEEDED),
    )
    failing = (
        render.SummaryLine("checkout-api", "failed: 1 of 6 installs", url, EventKind.FAILED),
    )
    return render.quiet_summary("nights", now - _NIGHT, now, lines, failing)


def sample_digest(links: render.Links, now: datetime) -> Message:
    """Return the digest of a week."""
    url, took = links.install("inl1"), timedelta(minutes=23)
    facts = render.DigestFacts(
        now - _WEEK,
        now,
        rollouts=(
            render.DigestRollout("checkout-api", EventKind.FAILED, took, 48, 1, url),
            render.DigestRollout("billing", EventKind.SUCCEEDED, took / 2, 6, url=url),
            render.DigestRollout("search", None, took * 2, 6, url=url),
        ),
        still_failing=(
            render.SummaryLine("checkout-api", "failed: 1 of 48 installs", url, EventKind.FAILED),
        ),
        slowest=(render.DigestInstall("acme-prod", 5, took, url=url),),
        flakiest=(render.DigestInstall("globex-prod", 5, failed=2, url=url),),
    )
    return render.digest(facts)


def sample_refusal(now: datetime) -> Message:
    """Return what is said elsewhere of a channel that takes nothing."""
    reason = "Slack answered is_archived to chat.postMessage"
    return render.refused("#releases", reason, 3, now - timedelta(minutes=2))


def _view(made: Sample, links: render.Links) -> render.View:
    return view_of(made.snapshot, made.state, made.called, links=links, watch=None)


def _with_many_failures(view: render.View) -> render.View:
    """Return the same rollout with its failure at many installs."""
    snapshot, changed = view.snapshot, msgspec.structs.replace

    def grown(step: Entity) -> Entity:
        failed = [unit for unit in step.children if unit.phase is Phase.FAILED]
        many = (
            changed(unit, id=f"{unit.id}{n}", install_id=f"{unit.install_id}{n}")
            for unit in failed
            for n in range(_MANY)
        )
        return changed(step, children=(*step.children, *many))

    root = changed(snapshot.root, children=tuple(map(grown, snapshot.root.children)))
    return replace(view, snapshot=changed(snapshot, root=root))
