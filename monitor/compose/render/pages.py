"""Where what a message names can be looked at: its page on the platform's dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitor.compose.render.blocks import Element, link
from monitor.compose.render.layout import Layout
from monitor.compose.render.links import URL_LIMIT
from monitor.model import Entity, Kind

OPEN = "Open in Nuon"

Parts = tuple[str | Element, ...]
"""What `line` is made from."""


class Page(NamedTuple):
    """An address, and what a link to it is called."""

    url: str
    words: str


def page_of_rollout(layout: Layout) -> str | None:
    """Return the page of the whole: its own, or else that of what it belongs to."""
    root, links = layout.root, layout.view.links
    match root.kind:
        case Kind.RELEASE:
            return links.releases()
        case Kind.WORKFLOW if root.install_id:
            return links.workflow(root.install_id, root.id)
        case Kind.INSTALLER:
            apps = {step.app_id for step in root.children if not step.is_absent}
            return links.app(apps.pop()) if len(apps) == 1 else None
        case _:
            return links.app(root.app_id)


def page_of_unit(layout: Layout, unit: Entity) -> Page | None:
    """Return a unit's page."""
    root, links = layout.root, layout.view.links
    if root.kind is Kind.INSTALLER:
        owner = layout.view.owners.get(unit.id)
        return _called("Open app", links.app(owner.app_id) if owner else None)
    if root.kind is Kind.WORKFLOW:
        return _called("Open workflow", page_of_rollout(layout))
    words = "Open workflow" if unit.kind is Kind.APPROVAL else "Open install"
    workflow = links.workflow(unit.install_id, unit.workflow_id)
    return _called(words, workflow or links.install(unit.install_id))


def page_of_step(layout: Layout, step: Entity) -> Page | None:
    """Return a step's page, for those that have one."""
    links = layout.view.links
    match step.kind:
        case Kind.APP:
            return _called("Open app", links.app(step.app_id))
        case Kind.WORKFLOW:
            return _called("Open workflow", links.workflow(step.install_id, step.id))
        case _:
            return None


def links_to_origin(layout: Layout) -> Iterator[Element]:
    """Yield links to the component and the app that are rolled out."""
    root, view = layout.root, layout.view
    app_id = root.app_id or view.apps.get(root.component_id, "")
    for words, url in (
        ("component", view.links.component(app_id, root.component_id)),
        ("app", view.links.app(app_id)),
    ):
        if url:
            yield link(url, words)


def page_of_units(layout: Layout, units: Sequence[Entity]) -> Page | None:
    """Return where a line leads that names units: to the first that has a page."""
    pages = (page_of_unit(layout, unit) for unit in units)
    first = next(filter(None, pages), None)
    if first is None or len(units) == 1 or layout.root.kind is Kind.WORKFLOW:
        return first
    return Page(first.url, "Open the first")


def behind(page: Page | None) -> Parts:
    """Return a link as it stands behind a line, if there is one and it is not too long."""
    return ("  ", link(*page)) if page and len(page.url) <= URL_LIMIT else ()


def given(url: str | None, words: str) -> Parts:
    """Return a link to an address that we were handed, if it is there and not too long."""
    return (link(url, words),) if url and len(url) <= URL_LIMIT else ()


def _called(words: str, url: str | None) -> Page | None:
    return Page(url, words) if url else None
