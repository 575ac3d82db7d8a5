"""Where what a message names can be looked at: its page on the platform's dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from monitor.compose.render.blocks import Element, bold, bold_link, link
from monitor.compose.render.layout import Layout
from monitor.compose.render.links import URL_LIMIT
from monitor.decide.progress import app_of, is_failed_by_build
from monitor.kinds.profile import DashboardPage
from monitor.model import Entity

Parts = tuple[str | Element, ...]
"""What `line` is made from."""


class Page(NamedTuple):
    """An address, and what a link to it is called."""

    url: str
    words: str


def page_of_rollout(layout: Layout) -> Page | None:
    """Return the page of the whole: its own, or else that of what it belongs to."""
    return _page(layout, layout.profile.page, layout.root)


def page_of_unit(layout: Layout, unit: Entity) -> Page | None:
    """Return a unit's page: its own, by its name, or else its step's or that of the whole."""
    profile = layout.profile
    if profile.unit_page is not None:
        # What all units have in common is said of the whole only.
        component_id = unit.component_id or layout.root.component_id
        whole = msgspec.structs.replace(unit, component_id=component_id)
        if (page := _page(layout, profile.unit_page, whole)) is not None:
            return _named(page, layout.name_of(unit, _NAME_LIMIT))
    if profile.step_page is None:
        return _page(layout, profile.page, layout.root)
    step = layout.view.owners.get(unit.id)
    return page_of_step(layout, step) if step else None


_NAME_LIMIT = 40
_LOGS = "Open logs"


def _named(page: Page, name: str) -> Page:
    """Return a page whose link says of what it is."""
    return Page(page.url, f"{_LOGS} of {name}" if page.words == _LOGS else f"Open {name}")


def page_of_build(layout: Layout) -> Page | None:
    """Return the page of the build that is rolled out."""
    root, view = layout.root, layout.view
    app_id = app_of(root, view.apps)
    component = ("apps", app_id, "components", root.component_id)
    url = view.links.to(*component, "builds", root.build_id)
    return Page(url, "Open build") if url else None


def page_of_failed_build(layout: Layout) -> Page | None:
    """Return the page of the build, where the rollout failed because of it."""
    return page_of_build(layout) if is_failed_by_build(layout.root) else None


def page_of_step(layout: Layout, step: Entity) -> Page | None:
    """Return a step's page, for those that have one."""
    step_page = layout.profile.step_page
    page = _page(layout, step_page, step) if step_page else None
    return _named(page, layout.step_name(step)) if page else None


def _page(
    layout: Layout, page_of: Callable[[Entity], DashboardPage | None], entity: Entity
) -> Page | None:
    """Return the first of the places that a page may stand at whose ids are known."""
    page = page_of(entity)
    addresses = (layout.view.links.to(*path) for path in page.paths) if page else ()
    url = next(filter(None, addresses), None)
    return Page(url, page.words) if page and url else None


def links_to_origin(layout: Layout) -> Iterator[Element]:
    """Yield links to what is rolled out, and to the one install that it is rolled out to."""
    root, view = layout.root, layout.view
    app_id = app_of(root, view.apps)
    for words, url in (
        ("Open component", view.links.component(app_id, root.component_id)),
        ("Open install", view.links.install(root.install_id)),
        ("Open app", view.links.app(app_id)),
    ):
        if url:
            yield link(url, words)


def page_of_units(layout: Layout, units: Sequence[Entity]) -> Page | None:
    """Return where a line leads that names units: to the first that has a page."""
    pages = (page_of_unit(layout, unit) for unit in units)
    return next(filter(None, pages), None)


def behind(page: Page | None) -> Parts:
    """Return a link as it stands behind a line, if there is one and it is not too long."""
    return ("  ", link(*page)) if page and len(page.url) <= URL_LIMIT else ()


def in_links(pages: Iterable[Page | None]) -> Iterator[Element]:
    """Yield a link to each page, once, that is there and not too long."""
    shown = {page.url: page for page in reversed([page for page in pages if page])}
    for page in reversed(shown.values()):
        if len(page.url) <= URL_LIMIT:
            yield link(*page)


def linked(name: str, page: Page | None) -> Element:
    """Return a name that leads to its page itself, where there is one that is not too long."""
    is_linked = page is not None and len(page.url) <= URL_LIMIT
    return bold_link(page.url, name) if page is not None and is_linked else bold(name)


def given(url: str | None, words: str) -> Parts:
    """Return a link to an address that we were handed, if it is there and not too long."""
    return (link(url, words),) if url and len(url) <= URL_LIMIT else ()
