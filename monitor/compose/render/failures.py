"""What is said of something that failed, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from monitor.compose.phrases import phrase_of, phrase_of_many
from monitor.compose.render.hints import hint_for
from monitor.compose.render.layout import Layout
from monitor.compose.render.lines import Advice
from monitor.compose.render.pages import Page
from monitor.compose.render.phases import (
    FAILED,
    awaits_approval,
    awaits_customer,
    awaits_retry,
    says_of,
)
from monitor.model import Entity, Phase, Reason, ReasonKind, is_refusal


class Failure(NamedTuple):
    """What continues the name of one and of several, and why."""

    one: str
    many: str
    reason: str


def failure_of(layout: Layout, entity: Entity, reason: Reason) -> Failure:
    """Return how something ended badly, also where it has moved on since."""
    people = layout.view.people
    one, many = says_of(entity) if entity.phase is Phase.FAILED else FAILED
    words = phrase_of(reason, people)
    if reason.kind is not ReasonKind.DENIED:
        return Failure(one, many, words)
    if is_refusal(entity.status):  # it says itself that it was not approved
        return Failure(words, phrase_of_many(reason, people), "")
    return Failure(one, many, words.removeprefix("was "))


def advice_on_failure(layout: Layout, entity: Entity, failure: Failure) -> Advice | None:
    """Return what to do about something that failed, by why it did and by what Nuon offers."""
    remedy = remedy_for(layout, entity)
    hint = hint_for(failure.reason)
    if entity.phase is not Phase.FAILED and not awaits_retry(entity):
        hint = ""  # it is under way again
    if not hint:
        return remedy
    return Advice(f"{hint} {remedy.words}", page=remedy.page) if remedy else Advice(hint)


def advice_on_wait(layout: Layout, entity: Entity) -> Advice | None:
    """Return what a person can do about something that waits for one."""
    if awaits_approval(entity):
        return Advice("Approve or deny it in Nuon.")
    if awaits_customer(entity):
        return Advice("The customer has to act: ask them.")
    return remedy_for(layout, entity)


_REMEDIES = {"retryable": "retried", "skippable": "skipped"}
_WORDS = {1: "It can be {0}.", 2: "It can be {0} or {1}."}


def remedy_for(layout: Layout, entity: Entity) -> Advice | None:
    """Return what can be done now about something that failed or waits for a retry.

    It is done to the workflow's step that did, which stands below an install.
    """
    failed = [
        (part, install_id)
        for part, install_id in _with_installs(entity, layout.root.install_id)
        if (part.phase is Phase.FAILED or awaits_retry(part)) and _remedies_of(part)
    ]
    if not failed:
        return None
    step, install_id = failed[-1]
    remedies = _remedies_of(step)
    url = layout.view.links.step(install_id, step.workflow_id, step.id)
    page = Page(url, "Open step") if url else None
    return Advice(_WORDS[len(remedies)].format(*remedies), page=page)


def _remedies_of(part: Entity) -> list[str]:
    return [words for fact, words in _REMEDIES.items() if part.fact(fact) == "true"]


def _with_installs(entity: Entity, install_id: str) -> Iterator[tuple[Entity, str]]:
    """Yield something and all below it, each with the install that it is at."""
    install_id = entity.install_id or install_id
    yield entity, install_id
    for child in entity.children:
        yield from _with_installs(child, install_id)
