"""Asking for several documents at once, none of which is insisted on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from monitor.errors import NuonError, NuonUnavailable
from monitor.platform.source import Answer, Source


async def ask_within(
    source: Source, paths: Iterable[str], seconds: float
) -> Mapping[str, Answer | NuonError]:
    """Return what comes in time, by path; for all else why it did not come.

    Raises whatever is not the platform's fault.
    """
    tasks = {path: asyncio.create_task(source.get(path)) for path in paths}
    if not tasks:
        return {}
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
    finally:
        late = [task for task in tasks.values() if task.cancel()]
    if late:
        await asyncio.wait(late)
    return {path: _outcome(task) for path, task in tasks.items()}


def _outcome(task: asyncio.Task[Answer]) -> Answer | NuonError:
    if task.cancelled():
        return NuonUnavailable("no answer in time")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, NuonError):
        return error
    raise error
