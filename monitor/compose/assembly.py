"""What is known of a target, put together for its messages and for its routes. Pure.

The daemon and every tool that shows what the daemon does come here: what one of them knows of
a watch, its names, its commits and its people, all of them take into account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.compose import notifications, render
from monitor.compose.phrases import silence_words
from monitor.compose.templates import MessageTemplates
from monitor.decide.scene import Scene
from monitor.decide.verdicts import Silence
from monitor.model import Called, Named, Snapshot, TargetState, Watch

_NO_TEMPLATES = MessageTemplates.none()


def view_of(
    snapshot: Snapshot,
    state: TargetState,
    called: Called,
    *,
    links: render.Links,
    watch: Watch | None,
    templates: MessageTemplates = _NO_TEMPLATES,
    silences: Sequence[Silence] = (),
    previous_url: str | None = None,
    now: datetime | None = None,
) -> render.View:
    """Return what the messages of a target are drawn from.

    `watch` is None for what nothing leads to any more. `now` is the time that silences are
    spoken of at; the snapshot's own unless it is given. What the user's own templates could
    not say is in `filled.problems` of the view.
    """
    at = now or snapshot.taken_at
    view = render.View(
        snapshot=snapshot,
        state=state,
        links=links,
        title=(watch.title or None) if watch else None,
        names=called.names,
        apps=called.apps,
        people=called.people,
        commits=called.commits,
        silences=tuple(silence_words(silence, at) for silence in silences),
        previous_url=previous_url,
    )
    filled = notifications.filled(
        templates,
        view,
        watch=watch.settings.entry if watch else Named(),
        labels=watch.settings.labels if watch else {},
    )
    return replace(view, filled=filled)


def scene_of(
    watch: Watch,
    snapshot: Snapshot,
    called: Called,
    *,
    app_destinations: Mapping[str, str] | None = None,
) -> Scene:
    """Return what the events of a target are routed by."""
    return Scene(
        snapshot=snapshot,
        default_destinations=watch.settings.default_destinations,
        title=watch.title,
        watch=watch.settings.entry,
        labels=watch.settings.labels,
        names=called.names,
        apps=called.apps,
        people=called.people,
        app_destinations=app_destinations or {},
    )
